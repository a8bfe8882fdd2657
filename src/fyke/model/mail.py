"""The mail server of the installation, and a mail that tests it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.kit.mail_servers import MailServer, MailTls


@dataclass(frozen=True, slots=True)
class MailConfig:
    """The server, and the sender of all mail."""

    server: MailServer
    sender: str


class MailOrigin(StrEnum):
    """Who has named the mail server."""

    SETTING = "setting"  # ``smtp_url``, which wins
    OPERATOR = "operator"  # while the servers ran
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailReport:
    """What may be shown of the mail server. ``version`` is that of the settings of the
    installation. ``unreadable``: its password was sealed with another key and must be entered
    again; until then no mail is sent.
    """

    version: int
    origin: MailOrigin
    host: str = ""
    port: int = 0
    tls: MailTls = MailTls.STARTTLS
    user: str = ""
    has_password: bool = False
    sender: str = ""
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class MailTest:
    """What the mail server has answered. ``status`` is that of SMTP, 250 for an accepted mail; 0
    without an answer, for the reason in ``error``.
    """

    to: str
    status: int
    reply: str
    error: str
    duration_ms: int

    @property
    def accepted(self) -> bool:
        return self.status == 250
