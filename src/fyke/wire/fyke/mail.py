"""The mail server of the installation, for its operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from fyke.kit.mail_servers import MailTls
from fyke.model.mail import MailOrigin
from fyke.wire.common import Count
from fyke.wire.fields import Answer, DocumentedAs, Integer, Name, Request, Text

if TYPE_CHECKING:
    from fyke.model.mail import MailReport, MailTest


class MailServerFields(Request):
    host: Annotated[Name, Meta(description="name or address, on the internet or a private network")]
    port: Annotated[
        Integer, Meta(ge=0, le=65535, description="0: 465 for tls, 587 for starttls, 25 for none")
    ] = 0
    tls: Annotated[
        Text,
        DocumentedAs(Literal["tls", "starttls", "none"]),
        Meta(description="tls from the first byte, starttls (required), or none"),
    ] = MailTls.STARTTLS.value
    user: Text = ""
    password: (
        Annotated[
            Text, Meta(description="absent: the stored one, while host and user stay the same")
        ]
        | None
    ) = None
    sender: Annotated[
        Text, Meta(description="`address` or `Name <address>`; empty: fyke@ and the host")
    ] = ""


class MailTestFields(Request):
    to: Annotated[Text, Meta(description="empty: the caller's own address")] = ""


class MailServerItem(Answer):
    version: Annotated[Count, Meta(description="of the settings of the installation")]
    origin: Annotated[
        MailOrigin,
        Meta(description="setting: smtp_url, which wins; operator: set while servers ran"),
    ]
    host: str
    port: Annotated[int, Meta(ge=0, le=65535)]
    tls: Annotated[
        MailTls, Meta(description="offered: STARTTLS where the server offers it, of smtp_url only")
    ]
    user: str
    has_password: Annotated[bool, Meta(description="the password itself is never returned")]
    sender: str
    unreadable: Annotated[
        bool, Meta(description="the password was sealed with another key and must be entered again")
    ]

    @classmethod
    def of(cls, report: MailReport) -> MailServerItem:
        return cls(
            version=report.version,
            origin=report.origin,
            host=report.host,
            port=report.port,
            tls=report.tls,
            user=report.user,
            has_password=report.has_password,
            sender=report.sender,
            unreadable=report.unreadable,
        )


class MailTestResult(Answer):
    to: str
    accepted: bool
    status: Annotated[Count, Meta(description="of SMTP, such as 250; 0 without an answer")]
    reply: Annotated[str, Meta(description="what the mail server has answered")]
    error: Annotated[str, Meta(description="why there is no answer, else empty")]
    duration_ms: Count

    @classmethod
    def of(cls, result: MailTest) -> MailTestResult:
        return cls(
            to=result.to,
            accepted=result.accepted,
            status=result.status,
            reply=result.reply,
            error=result.error,
            duration_ms=result.duration_ms,
        )
