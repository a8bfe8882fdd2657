"""Email to a real SMTP server: plain, with TLS, with a password, refused, and unreachable."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.callbacks.current_mail import NO_MAIL, CurrentMail
from fyke.kit.hostports import Host
from fyke.kit.mail_servers import MailServer, MailTls, parse_server
from fyke.kit.resolver import Resolver
from fyke.model.mail import MailConfig
from fyke.notify.mail import NO_STARTTLS, SmtpMailer, compose
from support.authority import make_authority, server_context, trusting_context
from support.mail_servers import Mailbox, mailing, using

pytestmark = pytest.mark.anyio
SENDER = "Fyke <fyke@example.org>"
TO = "mailto:ada@example.org"
ALERT = (
    '{"type":"alert.raised","data":{"rule":"Preise: 50 %","sentence":"Nur 4 Zeilen, üblich 10",'
    '"run_slug":"RUN","worker_slug":"WORKER","worker":"Preise"}}'
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
        with closing(SmtpMailer(using(at(mailbox), SENDER), "https://fyke.example/")) as mailer:
            assert await mailer.post(TO, ALERT, HEADERS) == ReceiverResponse(250, reply="taken")
    [(sender, to, text)] = mailbox.messages
    assert (sender, to) == ("fyke@example.org", ["ada@example.org"])
    message = email.message_from_bytes(text, policy=email.policy.default)
    assert message["subject"] == "[Fyke] Preise: Nur 4 Zeilen, üblich 10"
    assert (message["from"], message["to"]) == (SENDER, "ada@example.org")
    assert message["message-id"] == "<msg_1@example.org>"
    body = message.get_content()
    assert body.splitlines()[0] == "Nur 4 Zeilen, üblich 10"
    assert "https://fyke.example/runs/RUN" in body


async def test_a_password_is_sent_with_tls_only(authority: Path) -> None:
    trust = trusting_context(authority)
    login = "fyke:p%40ss@"
    async with mailing(Mailbox("fyke", "p@ss")) as mailbox:
        with closing(SmtpMailer(using(at(mailbox, login=login), SENDER), context=trust)) as mailer:
            answer = await mailer.post(TO, ALERT, HEADERS)
    assert answer.status == 0 and "never sent in the clear" in answer.error
    assert (mailbox.logins, mailbox.messages) == ([], [])
    async with mailing(Mailbox("fyke", "p@ss", starttls=server_context(authority))) as mailbox:
        with closing(SmtpMailer(using(at(mailbox, login=login), SENDER), context=trust)) as mailer:
            assert await mailer.post(TO, ALERT, HEADERS) == ReceiverResponse(250, reply="taken")
    assert (mailbox.logins, mailbox.secured) == ([True], [True])
    async with mailing(Mailbox("fyke", "p@ss"), server_context(authority)) as mailbox:
        tls, other = (using(at(mailbox, "smtps", who), SENDER) for who in (login, "fyke:x@"))
        with closing(SmtpMailer(tls, context=trust)) as mailer:
            assert await mailer.post(TO, ALERT, HEADERS) == ReceiverResponse(250, reply="taken")
        with closing(SmtpMailer(other, context=trust)) as mailer:
            wrong = await mailer.post(TO, ALERT, HEADERS)
        with closing(SmtpMailer(tls)) as mailer:
            untrusted = await mailer.post(TO, ALERT, HEADERS)
    assert wrong == ReceiverResponse(535, reply="wrong user or password")
    assert untrusted.status == 0 and "certificate" in untrusted.error.lower()
    assert (mailbox.logins, mailbox.secured) == ([True, False], [True])


async def test_refusals_are_reported_with_the_servers_reply() -> None:
    async with mailing(Mailbox(refused=("ada@example.org",))) as mailbox:
        with closing(SmtpMailer(using(at(mailbox), SENDER))) as mailer:
            answer = await mailer.post(TO, ALERT, HEADERS)
            assert answer == ReceiverResponse(550, reply="no user of this name")
            mailbox.refused, mailbox.full = (), True
            answer = await mailer.post(TO, ALERT, HEADERS)
            assert answer == ReceiverResponse(452, reply="no room; come back later")
    with closing(SmtpMailer(using(parse_server("smtp://127.0.0.1:1024"), SENDER))) as mailer:
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
    with closing(SmtpMailer(using(parse_server(f"smtp://127.0.0.1:{port}"), SENDER))) as mailer:
        response = await mailer.post(TO, ALERT, HEADERS)
    server.close()
    assert response.status == status and message in response.error + response.reply


def test_an_alert_of_an_earlier_release_has_no_names() -> None:
    data = {"rule": "few rows", "sentence": "4 rows", "run_slug": "R", "worker_slug": "W"}
    bare = compose(SENDER, "ada@example.org", "msg_1", {"data": data}, "")
    assert bare["subject"] == "[Fyke] few rows"
    expected = ["4 rows", "", "Worker: W", "Rule: few rows", "Run: R"]
    assert bare.get_content().splitlines() == expected


def test_an_alert_says_which_worker_failed_and_why() -> None:
    sentence = "The run failed: KeyError: 'price'"
    data = {"rule": "Any failure", "sentence": sentence, "run_slug": "R", "worker_slug": "W"}
    data |= {"worker": "Fussy shop", "task": "Daily", "rows": 0, "duration": "5 s"}
    message = compose(SENDER, "ada@example.org", "msg_1", {"data": data}, "https://fyke.example")
    assert message["subject"] == "[Fyke] Fussy shop failed: KeyError: 'price'"
    assert message.get_content().splitlines() == [
        sentence,
        "",
        "Worker: Fussy shop",
        "Task: Daily",
        "Rows: 0",
        "Duration: 5 s",
        "Rule: Any failure",
        "Run: R",
        "",
        "Open the run: https://fyke.example/runs/R",
        "All alerts: https://fyke.example/alerts",
        "Alert rules: https://fyke.example/alerts/rules",
    ]


def test_a_long_subject_is_cut_to_one_line() -> None:
    data = {"worker": "x\ny", "sentence": "z" * 500}
    message = compose(SENDER, "ada@example.org", "msg_1", {"data": data}, "")
    assert message["subject"] == "[Fyke] x y: " + "z" * 107 + "…"


async def test_starttls_may_be_required(authority: Path) -> None:
    server = replace(at(Mailbox()), tls=MailTls.STARTTLS)
    async with mailing(Mailbox()) as mailbox:
        current = using(replace(server, port=mailbox.port), SENDER)
        with closing(SmtpMailer(current)) as mailer:
            refused = await mailer.post(TO, ALERT, HEADERS)
    assert (refused.status, refused.error) == (0, f"mail server: {NO_STARTTLS}")
    async with mailing(Mailbox(starttls=server_context(authority))) as mailbox:
        current = using(replace(server, port=mailbox.port, tls=MailTls.NONE), SENDER)
        with closing(SmtpMailer(current)) as mailer:
            assert (await mailer.post(TO, ALERT, HEADERS)).status == 250
    assert mailbox.secured == [False], "no encryption was asked for"


async def test_the_mail_server_may_change_between_messages() -> None:
    current = CurrentMail()
    with closing(SmtpMailer(current)) as mailer:
        assert not mailer.exists()
        none = await mailer.send("ada@example.org", "a", "b")
        async with mailing(Mailbox()) as mailbox:
            current.use(MailConfig(at(mailbox), SENDER), 2)
            current.use(None, 1)  # an earlier version that was read late
            assert mailer.exists()
            assert (await mailer.send("ada@example.org", "a", "b")).reply == "taken"
    assert none == ReceiverResponse(0, NO_MAIL)


async def test_an_operators_server_is_dialled_at_a_checked_address_only() -> None:
    asked: list[tuple[Host, list[str], int]] = []

    async def select(host: Host, answers: Iterable[str], port: int) -> list[str]:
        asked.append((host, list(answers), port))
        return allowed

    async with mailing(Mailbox()) as mailbox:
        server = replace(at(mailbox), host="localhost")
        allowed = ["127.0.0.9", "127.0.0.1"]  # nothing listens at the first
        operators = using(server, SENDER)
        with closing(SmtpMailer(operators, select=select)) as mailer:
            assert (await mailer.post(TO, ALERT, HEADERS)).status == 250
            allowed = []
            refused = await mailer.post(TO, ALERT, HEADERS)
        fixed = CurrentMail(operators.config)
        with closing(SmtpMailer(fixed, select=select)) as mailer:
            assert (await mailer.post(TO, ALERT, HEADERS)).status == 250
    assert asked == [("localhost", ["127.0.0.1", "::1"], mailbox.port)] * 2
    assert refused.status == 0 and "only the setting FYKE_SMTP_URL" in refused.error
    assert len(mailbox.messages) == 2


async def test_a_name_without_addresses_is_reported_as_that() -> None:
    async def select(_host: Host, _answers: Iterable[str], _port: int) -> list[str]:
        return []

    mailer = SmtpMailer(using(parse_server("smtp://mail.example")), select=select)
    mailer._resolver = Resolver(lambda _name: ())
    with closing(mailer):
        answer = await mailer.post(TO, ALERT, HEADERS)
    assert answer == ReceiverResponse(0, "mail server: mail.example: no address found")


async def test_a_message_that_cannot_be_composed_is_reported() -> None:
    sender = "Fyke\u2028Alerts <a@b.example>"  # stored by an earlier release
    with closing(SmtpMailer(using(parse_server("smtp://127.0.0.1:1024"), sender))) as mailer:
        for answer in (
            await mailer.post(TO, ALERT, HEADERS),
            await mailer.send("ada@example.org", "a", "b"),
        ):
            assert answer.status == 0 and "linefeed" in answer.error


async def test_a_password_with_other_characters_than_ascii_is_reported(authority: Path) -> None:
    trust = trusting_context(authority)
    async with mailing(Mailbox("fyke", "x", starttls=server_context(authority))) as mailbox:
        server = at(mailbox, login="fyke:p%C3%A4ss@")
        with closing(SmtpMailer(using(server, SENDER), context=trust)) as mailer:
            answer = await mailer.post(TO, ALERT, HEADERS)
    assert (answer.status, mailbox.logins) == (0, [])
    assert answer.error == "mail server: user and password must have ASCII characters only"


async def test_the_certificate_is_that_of_the_name_not_of_the_address(authority: Path) -> None:
    async def select(_host: Host, _answers: Iterable[str], _port: int) -> list[str]:
        return ["127.0.0.1"]

    trust = trusting_context(authority)
    async with mailing(Mailbox(), server_context(authority)) as mailbox:
        for host, accepted in (("localhost", True), ("other.localhost", False)):
            server = replace(at(mailbox, "smtps"), host=host)
            mailer = SmtpMailer(using(server, SENDER), context=trust, select=select)
            with closing(mailer):
                answer = await mailer.post(TO, ALERT, HEADERS)
            assert (answer.status == 250) is accepted, answer.error
    assert "certificate" in answer.error.lower()
