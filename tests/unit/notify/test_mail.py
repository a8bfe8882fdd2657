"""Email to a real SMTP server: plain, with TLS, with a password, refused, and unreachable."""

from __future__ import annotations

import asyncio
import email
import email.policy
from contextlib import closing
from pathlib import Path

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.kit.mail_servers import MailServer, parse_server
from fyke.notify.mail import SmtpMailer, compose
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


async def test_a_message_contains_the_text_of_the_alert() -> None:
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
        with closing(SmtpMailer(at(mailbox, "smtps", login), SENDER)) as mailer:
            untrusted = await mailer.post(TO, ALERT, HEADERS)
    assert wrong == ReceiverResponse(535, reply="wrong user or password")
    assert untrusted.status == 0 and "certificate" in untrusted.error.lower()
    assert (mailbox.logins, mailbox.secured) == ([True, False], [True])


async def test_refusals_are_reported_with_the_servers_reply() -> None:
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


@pytest.mark.parametrize(
    ("reply", "status", "message"),
    [(b"", 0, "unexpectedly closed"), (b"\xff\xfe\r\n", 0, "is not SMTP; check the host and port"),
     (b"x" * 9000, 500, "Line too long")],
)  # fmt: skip
async def test_a_server_that_does_not_speak_smtp_is_reported(
    reply: bytes, status: int, message: str
) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with closing(SmtpMailer(parse_server(f"smtp://127.0.0.1:{port}"), SENDER)) as mailer:
        response = await mailer.post(TO, ALERT, HEADERS)
    server.close()
    assert response.status == status and message in response.error + response.reply


def test_without_a_base_url_a_mail_has_no_links() -> None:
    data = {"rule": "few rows", "sentence": "4 rows", "run_slug": "R", "worker_slug": "W"}
    bare = compose(SENDER, "ada@example.org", "msg_1", {"data": data}, "").get_content()
    assert bare.splitlines() == ["4 rows", "", "Run: R", "Worker: W"]
    linked = compose(SENDER, "ada@example.org", "msg_1", {"data": data}, "https://fyke.example")
    assert linked.get_content().splitlines()[-2:] == [
        "https://fyke.example/runs/R",
        "https://fyke.example/alerts",
    ]


def test_the_subject_is_shortened_to_200_characters() -> None:
    message = compose(SENDER, "ada@example.org", "msg_1", {"data": {"rule": "x" * 500}}, "")
    assert message["subject"] == ("[Fyke] " + "x" * 500)[:200]
