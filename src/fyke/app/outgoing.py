"""Sending messages: callbacks and webhooks over HTTP, email over SMTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fyke.contracts.delivery import Mailer, Notifier, Prober
from fyke.domain.callbacks.url import CallbackRules
from fyke.kit.mail_servers import parse_server
from fyke.notify.http import HttpNotifier
from fyke.notify.mail import SmtpMailer
from fyke.notify.router import NotifierRouter
from fyke.settings import Settings


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``notifier`` sends deliveries of the outbox, ``prober`` tests an address; ``mailer`` is None
    without a mail server.
    """

    notifier: Notifier
    prober: Prober
    mailer: Mailer | None


@contextmanager
def open_outgoing(settings: Settings, rules: CallbackRules) -> Iterator[Outgoing]:
    """Open the connections for messages; close them at the end."""
    web = HttpNotifier(rules)
    mail = _mailer(settings)
    try:
        yield Outgoing(NotifierRouter(web, mail), web, mail)
    finally:
        web.close()
        if mail is not None:
            mail.close()


def _mailer(settings: Settings) -> SmtpMailer | None:
    if not settings.smtp_url:
        return None
    links = settings.public_url or f"http://{settings.host}:{settings.port}"
    server = parse_server(settings.smtp_url)
    return SmtpMailer(server, settings.mail_from or f"fyke@{server.host}", links)
