"""Email through the installation's SMTP server: one connection per message, in a small thread pool.

The standard library's client blocks, and so does name resolution. In separate threads, a server
that hangs does not delay deliveries to other receivers. The server may change between messages. One
that an operator has named in the console is dialled at a checked address only; that of the settings
is not checked.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cached_property, partial
from typing import Any

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.alerts.evaluate import FAILED_PREFIX
from fyke.domain.callbacks.current_mail import NO_MAIL, CurrentMail
from fyke.domain.callbacks.url import MAIL, MAIL_RULE
from fyke.domain.webhooks.chats import page_of
from fyke.kit.hostports import Host, parse_host
from fyke.kit.ids import new_ulid
from fyke.kit.mail_servers import MailServer, MailTls
from fyke.kit.resolver import Resolver, Unresolvable
from fyke.model.mail import MailConfig

SECONDS = 20.0  # the timeout of each server response
MAX_THREADS = 4
MAX_ADDRESSES = 4  # of one name that are tried
MAX_SUBJECT = 120  # characters, more are not shown in lists of mail
NOT_SMTP = "the response is not SMTP; check the host and port"
NO_STARTTLS = "STARTTLS is not offered; check the port, or choose another encryption"
Select = Callable[[Host, Iterable[str], int], Awaitable[list[str]]]


class SmtpMailer:
    """Implements ``contracts.Mailer``, and ``contracts.Notifier`` for ``mailto:`` addresses.
    ``close`` it at the end.

    ``base_url`` is the prefix of links in messages, ``""`` for no links. ``select`` returns the
    resolved addresses at which the operator's mail server may be dialled; None: any. The status of
    a response is the server's: 250 for an accepted message. A password is never sent in the clear.
    """

    def __init__(
        self,
        current: CurrentMail,
        base_url: str = "",
        context: ssl.SSLContext | None = None,
        select: Select | None = None,
    ) -> None:
        self._current = current
        self._base_url = base_url.rstrip("/")
        self._given_context = context
        self._select = select
        self._resolver = Resolver(threads=MAX_THREADS, keep=0)
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="mail")

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Made for the first message, because the authorities take 1 MiB."""
        return self._given_context or ssl.create_default_context()

    def close(self) -> None:
        """Stop the threads without waiting for messages in progress."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._resolver.close()

    def exists(self) -> bool:
        return self._current.exists()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        to, message_id = url.removeprefix(MAIL), headers.get("webhook-id", "")
        payload = json.loads(body)
        return await self._send(
            lambda sender: compose(sender, to, message_id, payload, self._base_url)
        )

    async def send(self, to: str, subject: str, text: str) -> ReceiverResponse:
        """Implements ``contracts.Mailer``."""
        message_id = f"msg_{new_ulid()}"
        return await self._send(lambda sender: _message(sender, to, message_id, subject, text))

    async def _send(self, compose_from: Callable[[str], EmailMessage]) -> ReceiverResponse:
        config = self._current.config
        if config is None:
            return ReceiverResponse(0, NO_MAIL)
        server = config.server
        hosts = [server.host]
        if self._select is not None and config is not self._current.fixed:
            try:
                hosts = await self._checked(self._select, config)
            except Unresolvable as error:
                return ReceiverResponse(0, f"mail server: {error}")
            if not hosts:
                return ReceiverResponse(0, f"mail server: {server.host} {MAIL_RULE}")
        compose_message = partial(compose_from, config.sender)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, _deliver, server, hosts, compose_message, self._context
        )

    async def _checked(self, select: Select, config: MailConfig) -> list[str]:
        """The addresses to dial. Raises ``Unresolvable``."""
        host = parse_host(config.server.host)
        answers: Iterable[str] = (str(host),)
        if isinstance(host, str):
            answers = await self._resolver.resolve(host)
        return (await select(host, answers, config.server.port))[:MAX_ADDRESSES]


def _deliver(
    server: MailServer,
    hosts: list[str],
    compose_message: Callable[[], EmailMessage],
    context: ssl.SSLContext,
) -> ReceiverResponse:
    """Send over the first of ``hosts`` that can be connected to. Blocks."""
    try:
        message = compose_message()
        with _connect(server, hosts, context) as connection:
            _secure(connection, server, context)
            connection.send_message(message)
            return ReceiverResponse(250, reply=_text(connection.answer))
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return ReceiverResponse(code, reply=_text(text))
    except smtplib.SMTPResponseException as error:
        if error.smtp_code < 0:  # smtplib uses -1 for a line without a code
            return ReceiverResponse(0, f"mail server: {NOT_SMTP}")
        return ReceiverResponse(error.smtp_code, reply=_text(error.smtp_error))
    except (OSError, smtplib.SMTPException, ValueError, MessageError) as error:
        return ReceiverResponse(0, f"mail server: {_reason(error)}")


class _Smtp(smtplib.SMTP):
    """A connection to ``address`` under the name of the server, which is that of its certificate.
    ``answer`` is that to the message.
    """

    def __init__(self, address: str, server: MailServer, context: ssl.SSLContext) -> None:
        self.answer: bytes = b""
        self._address = address
        self._open(server, context)

    def _open(self, server: MailServer, context: ssl.SSLContext) -> None:
        smtplib.SMTP.__init__(self, server.host, server.port, timeout=SECONDS)

    def connect(self, host: str = "", port: int = 0, *args: Any, **more: Any) -> tuple[int, bytes]:
        return super().connect(self._address, port, *args, **more)

    def data(self, msg: Any) -> tuple[int, bytes]:
        code, self.answer = super().data(msg)
        return code, self.answer


class _SmtpTls(_Smtp, smtplib.SMTP_SSL):
    def _open(self, server: MailServer, context: ssl.SSLContext) -> None:
        smtplib.SMTP_SSL.__init__(self, server.host, server.port, timeout=SECONDS, context=context)


def _connect(server: MailServer, hosts: list[str], context: ssl.SSLContext) -> _Smtp:
    kind = _SmtpTls if server.tls is MailTls.TLS else _Smtp
    for host in hosts[:-1]:
        try:
            return kind(host, server, context)
        except OSError:
            continue
    return kind(hosts[-1], server, context)


def _secure(connection: _Smtp, server: MailServer, context: ssl.SSLContext) -> None:
    connection.ehlo_or_helo_if_needed()
    offered = connection.has_extn("starttls")
    if server.tls is MailTls.STARTTLS and not offered:
        raise ValueError(NO_STARTTLS)
    if offered and server.tls in (MailTls.STARTTLS, MailTls.OFFERED):
        connection.starttls(context=context)
    if not server.user:
        return
    if not isinstance(connection.sock, ssl.SSLSocket):
        raise ValueError("no TLS is offered, and a password is never sent in the clear")
    if not (server.user + server.password).isascii():  # the library cannot send them
        raise ValueError("user and password must have ASCII characters only")
    connection.login(server.user, server.password)


def compose(
    sender: str, to: str, message_id: str, payload: dict[str, Any], base_url: str
) -> EmailMessage:
    """Compose the message for an alert; ``payload`` is that of webhooks, with names and figures
    unless an earlier release has queued it.
    """
    data: dict[str, Any] = payload.get("data", {})
    run = str(data.get("run_slug", ""))
    worker = data.get("worker") or data.get("worker_slug", "")
    facts = {
        "Worker": worker,
        "Task": data.get("task", ""),
        "Rows": data.get("rows", ""),
        "Duration": data.get("duration", ""),
        "Rule": data.get("rule", ""),
        "Run": run,
    }
    lines = [str(data.get("sentence", "")), ""]
    lines += [f"{name}: {value}" for name, value in facts.items() if str(value)]
    if base_url:
        name = "run" if run else "task"
        lines += ["", f"Open the {name}: {base_url}{page_of(data)}"]
        lines += [f"All alerts: {base_url}/alerts"]
        lines += [f"Alert rules: {base_url}/alerts/rules"]
    return _message(sender, to, message_id, _alert_subject(data), "\n".join(lines))


def _alert_subject(data: dict[str, Any]) -> str:
    """The worker and what is wrong, or the name of the rule without the name of the worker."""
    worker, sentence = data.get("worker", ""), str(data.get("sentence", ""))
    if not worker:
        return str(data.get("rule", ""))
    failure = sentence.removeprefix(FAILED_PREFIX)
    return f"{worker} failed: {failure}" if failure != sentence else f"{worker}: {sentence}"


def _message(sender: str, to: str, message_id: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = _line(f"[Fyke] {subject}")
    message["Date"] = format_datetime(datetime.now(UTC))
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message["Message-ID"] = f"<{message_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text + "\n")
    return message


def _line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_SUBJECT else text[: MAX_SUBJECT - 1] + "…"


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace")[:1000] if isinstance(reply, bytes) else reply[:1000]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
