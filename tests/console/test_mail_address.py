"""The page on which a user confirms a mail address."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from fyke.domain.accounts.mail_addresses import MailAddresses
from fyke.kit.clock import SystemClock
from fyke.kit.mail_servers import parse_server
from fyke.kit.sealing import Sealer
from fyke.model.user import Purpose
from fyke.notify.mail import SmtpMailer
from support.app import App
from support.mail_servers import Mailbox, mailing, using
from support.pages import Visitor, stranger

ADA = "ada@example.org"
pytestmark = pytest.mark.anyio


@pytest.fixture
async def mailbox(app: App) -> AsyncIterator[Mailbox]:
    """The mail server of the application."""
    async with mailing(Mailbox()) as mailbox:
        server = parse_server(f"smtp://127.0.0.1:{mailbox.port}")
        with closing(SmtpMailer(using(server, "fyke@example.org"))) as mailer:
            app.services.mail_addresses = MailAddresses(
                app.storage, SystemClock(), Sealer(b"secret"), mailer
            )
            yield mailbox


async def test_a_user_confirms_a_mail_address(app: App, mailbox: Mailbox) -> None:
    async with stranger(app) as ada, stranger(app) as reader:
        _, link = await app.services.users.invite(app.owner, ADA, "member")
        form = {"token": link.token, "password": "a long enough secret"}
        await ada.post(f"/{Purpose.INVITE}", form)
        assert "No alerts are mailed to this address" in (await ada.get("/settings/account")).text
        assert (await ada.post("/settings/account/address")).location == "/settings/account"
        assert f"A link was sent to {ADA}" in (await ada.get("/settings/account")).text
        mail = email.message_from_bytes(mailbox.messages[0][2], policy=email.policy.default)
        found = re.search(r"/confirm-address\?token=\S+", mail.get_content())
        assert found
        page = await reader.get(found[0])
        assert ADA in page.text
        assert "No alerts are mailed to this address" in (await ada.get("/settings/account")).text
        confirmed = await reader.post("/confirm-address", {"token": page.value("token")})
        assert confirmed.location == "/settings/account"
        assert "Alerts are mailed to this address" in (await ada.get("/settings/account")).text


async def test_a_user_without_an_address_reads_what_to_do(owner: Visitor, mailbox: Mailbox) -> None:
    page = await owner.get("/settings/account")
    assert "Alerts are mailed only to users whose name is a mail address" in page.text
    assert page.one("//section[@aria-labelledby='address']//a").get("href") == (
        "/settings/users/invite"
    )


async def test_an_invalid_link_is_reported_with_a_remedy(guest: Visitor) -> None:
    for token in ("", "x" * 40, "x" * 5000):
        page = await guest.get("/confirm-address", params={"token": token}, status=404)
        assert "You can send another one under Settings" in page.text
        await guest.post("/confirm-address", {"token": token}, status=404)


async def test_without_a_mail_server_the_confirmation_is_not_offered(owner: Visitor) -> None:
    assert "Mail address" not in (await owner.get("/settings/account")).text
    await owner.post("/settings/account/address")
    assert "Only a user name that is a mail address" in (await owner.get("/settings/account")).text
