"""Sending messages: callbacks and webhooks over HTTP, email over SMTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fyke.contracts.delivery import Mailer, Notifier, Prober
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.callbacks.url import CallbackRules
from fyke.kit.mail_servers import parse_server
from fyke.model.mail import MailConfig
from fyke.notify.http import HttpNotifier
from fyke.notify.mail import SmtpMailer
from fyke.notify.router import NotifierRouter
from fyke.settings import Settings


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``notifier`` sends deliveries of the outbox, ``prober`` tests an address, ``mailer`` sends
    through the mail server that ``mail`` has.
    """

    notifier: Notifier
    prober: Prober
    mailer: Mailer
    mail: CurrentMail


@contextmanager
def open_outgoing(settings: Settings, rules: CallbackRules) -> Iterator[Outgoing]:
    """Open the connections for messages; close them at the end."""
    web, current = HttpNotifier(rules), CurrentMail(_mail_of(settings), read=False)
    mailer = SmtpMailer(current, links_of(settings), select=rules.select_mail)
    try:
        yield Outgoing(NotifierRouter(web, mailer), web, mailer, current)
    finally:
        web.close()
        mailer.close()


def _mail_of(settings: Settings) -> MailConfig | None:
    """The mail server of the settings."""
    if not settings.smtp_url:
        return None
    server = parse_server(settings.smtp_url)
    return MailConfig(server, settings.mail_from or f"fyke@{server.host}")


def links_of(settings: Settings) -> str:
    """The address of the console for links in messages."""
    return settings.public_url or f"http://{settings.host}:{settings.port}"
