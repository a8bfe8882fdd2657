"""Email through the installation's SMTP server: one connection per message, in a small thread pool.

The standard library's client blocks, and so does name resolution. In separate threads, a server
that hangs does not delay deliveries to other receivers.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.callbacks.url import MAIL
from fyke.kit.ids import new_ulid
from fyke.kit.mail_servers import MailServer

SECONDS = 20.0  # the timeout of each server response
MAX_THREADS = 4
NOT_SMTP = "the response is not SMTP; check the host and port"


class SmtpMailer:
    """Implements ``contracts.Notifier`` for ``mailto:`` addresses. ``close`` it at the end.

    ``sender`` is the From address; ``base_url`` is the prefix of links in messages, ``""`` for no
    links. The status of a response is the server's: 250 for an accepted message. A password
    is never sent in the clear.
    """

    def __init__(
        self,
        server: MailServer,
        sender: str,
        base_url: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._base_url = base_url.rstrip("/")
        self._context = context or ssl.create_default_context()
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="mail")

    def close(self) -> None:
        """Stop the threads without waiting for messages in progress."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        message = compose(
            self._sender,
            url.removeprefix(MAIL),
            headers.get("webhook-id", ""),
            json.loads(body),
            self._base_url,
        )
        return await self._send_in_thread(message)

    async def send(self, to: str, subject: str, text: str) -> ReceiverResponse:
        """Implements ``contracts.Mailer``."""
        return await self._send_in_thread(
            _message(self._sender, to, f"msg_{new_ulid()}", subject, text)
        )

    async def _send_in_thread(self, message: EmailMessage) -> ReceiverResponse:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._send, message)

    def _send(self, message: EmailMessage) -> ReceiverResponse:
        try:
            with self._connection() as connection:
                self._secure(connection)
                connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return ReceiverResponse(code, reply=_text(text))
        except smtplib.SMTPResponseException as error:
            if error.smtp_code < 0:  # smtplib uses -1 for a line without a code
                return ReceiverResponse(0, f"mail server: {NOT_SMTP}")
            return ReceiverResponse(error.smtp_code, reply=_text(error.smtp_error))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return ReceiverResponse(0, f"mail server: {_reason(error)}")
        return ReceiverResponse(250)

    def _connection(self) -> smtplib.SMTP:
        host, port = self._server.host, self._server.port
        if self._server.secure:
            return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=self._context)
        return smtplib.SMTP(host, port, timeout=SECONDS)

    def _secure(self, connection: smtplib.SMTP) -> None:
        connection.ehlo_or_helo_if_needed()
        if not self._server.secure and connection.has_extn("starttls"):
            connection.starttls(context=self._context)
        if not self._server.user:
            return
        if not isinstance(connection.sock, ssl.SSLSocket):
            raise ValueError("no TLS is offered, and a password is never sent in the clear")
        connection.login(self._server.user, self._server.password)


def compose(
    sender: str, to: str, message_id: str, payload: dict[str, Any], base_url: str
) -> EmailMessage:
    """Compose the message for an alert; ``payload`` is the same as for webhooks."""
    data: dict[str, Any] = payload.get("data", {})
    sentence = str(data.get("sentence", ""))
    run = str(data.get("run_slug", ""))
    lines = [sentence, "", f"Run: {run}", f"Worker: {data.get('worker_slug', '')}"]
    if base_url:
        lines += ["", f"{base_url}/runs/{run}", f"{base_url}/alerts"]
    return _message(sender, to, message_id, str(data.get("rule", "")), "\n".join(lines))


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
    return " ".join(text.split())[:200]


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace")[:1000] if isinstance(reply, bytes) else reply[:1000]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
