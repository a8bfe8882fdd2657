"""The mail server of the settings, and the one that an operator names instead."""

from __future__ import annotations

from pathlib import Path

from fyke.app.outgoing import open_outgoing
from fyke.domain.callbacks.url import CallbackRules
from fyke.kit.addresses import AddressRules
from fyke.kit.mail_servers import MailServer, MailTls
from fyke.model.mail import MailConfig
from fyke.settings import Settings

OTHER = MailConfig(MailServer("b.example", 25, MailTls.NONE, "", ""), "a@b.example")


def test_the_mail_server_of_the_settings_wins(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, smtp_url="smtps://u:p@a.example")
    with open_outgoing(settings, CallbackRules(AddressRules())) as outgoing:
        found = outgoing.mail.config
        assert found is not None and found.sender == "fyke@a.example"
        assert found.server == MailServer("a.example", 465, MailTls.TLS, "u", "p")
        outgoing.mail.use(OTHER, 5)
        assert outgoing.mail.config is found and outgoing.mailer.exists()
        assert outgoing.mail.known()


def test_without_one_there_is_the_operators(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_outgoing(settings, CallbackRules(AddressRules())) as outgoing:
        assert not outgoing.mailer.exists() and not outgoing.mail.known()
        outgoing.mail.use(OTHER, 5)
        assert outgoing.mail.config == OTHER and outgoing.mailer.exists()
