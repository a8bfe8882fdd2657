"""The admin page of the mail server, with a server that listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.callbacks.mail import InstallationMail
from fyke.domain.callbacks.url import CallbackRules
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.kit.mail_servers import parse_server
from fyke.kit.sealing import Sealer
from fyke.model.mail import MailConfig
from fyke.notify.mail import SmtpMailer
from support.app import App
from support.mail_servers import Mailbox, mailing
from support.pages import Visitor, set_password, stranger, visitor

pytestmark = pytest.mark.anyio
PAGE = "/admin/mail"


@pytest.fixture
async def current(app: App) -> AsyncIterator[CurrentMail]:
    """The mail server of the application, which may listen on this machine."""
    current, rules = CurrentMail(), CallbackRules(AddressRules(["127.0.0.0/8"]))
    with closing(SmtpMailer(current, select=rules.select_mail)) as mailer:
        app.services.mail = InstallationMail(
            app.storage, current, rules, Sealer(b"secret"), mailer, SystemClock()
        )
        yield current


async def test_a_mail_server_is_set_tested_and_removed(
    current: CurrentMail, owner: Visitor
) -> None:
    page = await owner.get(PAGE)
    assert not page.all(f"//form[@action='{PAGE}/test']")
    async with mailing(Mailbox(refused=("eve@example.org",))) as mailbox:
        form = {"host": "127.0.0.1", "port": str(mailbox.port), "tls": "none", "user": ""}
        form["sender"] = "Alerts <alerts@example.org>"
        assert (await owner.post(PAGE, form)).location == PAGE
        assert current.exists()
        page = await owner.get(PAGE)
        assert "Mail goes through this server from now on" in page.text
        values = [page.value(name) for name in ("host", "port", "sender")]
        assert values == ["127.0.0.1", str(mailbox.port), "Alerts <alerts@example.org>"]
        sent = await owner.post(f"{PAGE}/test", {"to": "ada@example.org"}, status=200)
        assert "250 taken" in sent.text and page.one(f"//form[@action='{PAGE}/test']") is not None
        [(sender, to, _text)] = mailbox.messages
        assert (sender, to) == ("alerts@example.org", ["ada@example.org"])
        refused = await owner.post(f"{PAGE}/test", {"to": "eve@example.org"}, part=True, status=200)
        assert "550 no user of this name" in refused.text and "Not accepted" in refused.text
    wrong = await owner.post(f"{PAGE}/test", {"to": "nobody"}, status=422)
    assert "Enter a mail address" in wrong.one("//*[@id='f-to-fault']").text_content()
    await owner.post(f"{PAGE}/remove", {})
    assert not current.exists()


async def test_faults_keep_what_was_typed_but_the_password(
    current: CurrentMail, owner: Visitor
) -> None:
    form = {"host": "169.254.169.254", "port": "x", "tls": "tls", "user": "u", "password": "p@ss"}
    page = await owner.post(PAGE, form | {"sender": "nobody"}, status=422)
    for name in ("host", "port", "sender"):
        assert page.one(f"//*[@id='f-{name}-fault']").text_content().strip()
    assert (page.value("host"), page.value("user"), page.value("password")) == (
        "169.254.169.254", "u", "",
    )  # fmt: skip
    assert "p@ss" not in page.text and not current.exists()


async def test_a_stored_password_is_never_shown(current: CurrentMail, owner: Visitor) -> None:
    form = {"host": "mail.example.org", "port": "", "tls": "starttls", "user": "u", "sender": ""}
    await owner.post(PAGE, form | {"password": "p@ss"})
    page = await owner.get(PAGE)
    assert page.value("port") == "587" and page.value("sender") == "fyke@mail.example.org"
    assert page.value("password") == "" and "p@ss" not in page.text
    await owner.post(PAGE, form | {"password": "", "sender": "a@b.example"})
    assert current.config is not None
    assert (current.config.server.password, current.config.sender) == ("p@ss", "a@b.example")


async def test_a_form_that_lost_its_password_is_not_saved(
    app: App, current: CurrentMail, owner: Visitor
) -> None:
    await set_password(app)
    form = {"host": "mail.example.org", "port": "", "tls": "tls", "user": "u", "sender": ""}
    await owner.post(PAGE, form | {"password": "old"})
    async with stranger(app) as expired:
        page = await expired.post(PAGE, form | {"password": "new"}, status=401)
        assert "new" not in [each.get("value") for each in page.all("//form//input")]
        back = [each.get("name") for each in page.all("//form//*[starts-with(@name, 'pending.')]")]
        assert sorted(back) == sorted(f"pending.{name}" for name in form)
    page = await owner.post(PAGE, form, status=422)
    assert "was not kept" in page.one("//*[@id='f-password-fault']").text_content()
    assert page.value("host") == "mail.example.org"
    await owner.post(PAGE, form | {"password": ""})
    assert current.config is not None and current.config.server.password == "old"


async def test_the_mail_server_of_the_settings_is_only_shown(
    app: App, current: CurrentMail, owner: Visitor
) -> None:
    current.fixed = MailConfig(parse_server("smtp://u:p%40ss@mail.example"), "fyke@mail.example")
    page = await owner.get(PAGE)
    assert "The setting smtp_url names this server" in page.text
    assert "mail.example:587" in page.text and "p@ss" not in page.text
    assert not page.all(f"//form[@action='{PAGE}']")
    assert page.one(f"//form[@action='{PAGE}/test']") is not None
    async with visitor(app, app.other.user_id) as other:
        await other.get(PAGE, status=403)
        for action in ("", "/test", "/remove"):
            await other.post(f"{PAGE}{action}", {"to": "a@b.example"}, status=403)
