"""The URL of a mail server, and mail addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from enum import StrEnum
from urllib.parse import unquote, urlsplit

MAX_ADDRESS = 254
# what every mail server accepts; it also keeps line breaks out of the headers
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_PORTS = {"smtp": 587, "smtps": 465}


class MailTls(StrEnum):
    """How the connection to a mail server is encrypted."""

    TLS = "tls"  # from the first byte
    STARTTLS = "starttls"  # required
    OFFERED = "offered"  # STARTTLS where the server offers it
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """An SMTP server."""

    host: str
    port: int
    tls: MailTls
    user: str
    password: str = field(repr=False)


def parse_server(url: str) -> MailServer:
    """Parse ``smtp://USER:PASSWORD@HOST:PORT`` or ``smtps://...``. Raise ``ValueError`` with the
    rule that the URL breaks.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it must be a URL whose port is a number from 1 to 65535") from None
    if parts.scheme not in _PORTS or not host:
        raise ValueError("it must be smtp://USER:PASSWORD@HOST:587 or smtps://HOST")
    return MailServer(
        host=host,
        port=port or _PORTS[parts.scheme],
        tls=MailTls.TLS if parts.scheme == "smtps" else MailTls.OFFERED,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def is_address(text: str) -> bool:
    """Whether the text has the form of a mail address."""
    return len(text) <= MAX_ADDRESS and _ADDRESS.fullmatch(text) is not None


def check_sender(sender: str) -> str:
    """Return ``sender``. Raise ``ValueError`` unless it is ``address`` or ``Name <address>`` in
    printable characters; a header has one line.
    """
    address = parseaddr(sender)[1]
    local, _, domain = address.rpartition("@")
    if not local or not domain or not sender.isprintable():
        raise ValueError("it must be an email address, such as fyke@example.org")
    return sender
