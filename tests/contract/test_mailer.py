"""Mails to a real mail server: plain, with TLS, with a password, refused, and not there."""

from __future__ import annotations

import email
import email.policy
from contextlib import closing
from pathlib import Path

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.kit.mail_servers import MailServer, parse_server
from fyke.notify.mail import SmtpMailer, compose
from fyke.notify.router import NO_MAIL, NotifierRouter
from support.authority import make_authority, server_context, trusting_context
from support.mail_servers import Mailbox, mailing

pytestmark = pytest.mark.anyio
SENDER = "Fyke <fyke@example.org>"
TO = "mailto:ada@example.org"
ALERT = (
    '{"type":"alert.raised","data":{"rule":"Preise: 50 %","sentence":"Nur 4 Zeilen, üblich 10",'
    '"run_slug":"RUN","worker_slug":"WORKER"}}'
).encode()
HEADERS = {"webhook-id": "msg_1"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder)
    return folder


def at(mailbox: Mailbox, scheme: str = "smtp", login: str = "") -> MailServer:
    return parse_server(f"{scheme}://{login}127.0.0.1:{mailbox.port}")


async def test_a_mail_says_what_the_alert_says() -> None:
    async with mailing(Mailbox()) as mailbox:
        with closing(SmtpMailer(at(mailbox), SENDER, "https://fyke.example/")) as mailer:
            assert await mailer.post(TO, ALERT, HEADERS) == ReceiverResponse(250)
    [(sender, to, text)] = mailbox.messages
    assert (sender, to) == ("fyke@example.org", ["ada@example.org"])
    message = email.message_from_bytes(text, policy=email.policy.default)
    assert message["subject"] == "[Fyke] Preise: 50 %"
    assert (message["from"], message["to"]) == (SENDER, "ada@example.org")
    assert message["message-id"] == "<msg_1@example.org>"
    body = message.get_content()
    assert body.splitlines()[0] == "Nur 4 Zeilen, üblich 10"
    assert "https://fyke.example/runs/RUN" in body


async def test_a_password_is_sent_with_tls_only(authority: Path) -> None:
    trust = trusting_context(authority)
    login = "fyke:p%40ss@"
    async with mailing(Mailbox("fyke", "p@ss")) as mailbox:
        with closing(SmtpMailer(at(mailbox, login=login), SENDER, context=trust)) as mailer:
            answer = await mailer.post(TO, ALERT, HEADERS)
    assert answer.status == 0 and "never sent in the clear" in answer.error
    assert (mailbox.logins, mailbox.messages) == ([], [])
    async with mailing(Mailbox("fyke", "p@ss", starttls=server_context(authority))) as mailbox:
        with closing(SmtpMailer(at(mailbox, login=login), SENDER, context=trust)) as mailer:
            assert await mailer.post(TO, ALERT, HEADERS) == ReceiverResponse(250)
    assert (mailbox.logins, mailbox.secured) == ([True], [True])
    async with mailing(Mailbox("fyke", "p@ss"), server_context(authority)) as mailbox:
        with closing(SmtpMailer(at(mailbox, "smtps", login), SENDER, context=trust)) as mailer:
            assert await mailer.post(TO, ALERT, HEADERS) == ReceiverResponse(250)
        with closing(SmtpMailer(at(mailbox, "smtps", "fyke:x@"), SENDER, context=trust)) as mailer:
            wrong = await mailer.post(TO, ALERT, HEADERS)
        with closing(SmtpMailer(at(mailbox, "smtps", login), SENDER)) as stranger:
            untrusted = await stranger.post(TO, ALERT, HEADERS)
    assert wrong == ReceiverResponse(535, reply="wrong user or password")
    assert untrusted.status == 0 and "certificate" in untrusted.error.lower()
    assert (mailbox.logins, mailbox.secured) == ([True, False], [True])


async def test_refusals_of_the_server_are_shown_in_its_words() -> None:
    async with mailing(Mailbox(refused=("ada@example.org",))) as mailbox:
        with closing(SmtpMailer(at(mailbox), SENDER)) as mailer:
            answer = await mailer.post(TO, ALERT, HEADERS)
            assert answer == ReceiverResponse(550, reply="no user of this name")
            mailbox.refused, mailbox.full = (), True
            answer = await mailer.post(TO, ALERT, HEADERS)
            assert answer == ReceiverResponse(452, reply="no room; come back later")
    with closing(SmtpMailer(parse_server("smtp://127.0.0.1:1024"), SENDER)) as mailer:
        answer = await mailer.post(TO, ALERT, HEADERS)
    assert answer.status == 0 and answer.error.startswith("mail server: ")


def test_nothing_in_an_alert_breaks_out_of_a_header() -> None:
    data = {"rule": "a\r\nBcc: eve@example.org\r\n\r\nx", "sentence": "s", "run_slug": "R"}
    message = compose(SENDER, "ada@example.org", "msg_1", {"data": data}, "")
    assert message["bcc"] is None
    assert message["subject"] == "[Fyke] a Bcc: eve@example.org x"


async def test_each_message_goes_its_way() -> None:
    class Web:
        async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
            return ReceiverResponse(204)

    assert await NotifierRouter(Web(), None).post(
        "https://a.example/", b"", {}
    ) == ReceiverResponse(204)
    assert await NotifierRouter(Web(), None).post(TO, b"", {}) == ReceiverResponse(0, NO_MAIL)
    async with mailing(Mailbox()) as mailbox:
        with closing(SmtpMailer(at(mailbox), SENDER)) as mailer:
            assert await NotifierRouter(Web(), mailer).post(TO, ALERT, HEADERS) == ReceiverResponse(
                250
            )


@pytest.mark.parametrize(
    "url", ["", "http://a.example", "smtp://", "smtp://a.example:x", "smtp://a:99999", "a.example"]
)
def test_a_server_that_does_not_speak_smtp(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_server(url)


def test_ports_that_are_not_named() -> None:
    assert parse_server("smtp://a.example").port == 587
    assert parse_server("smtps://a.example").port == 465
