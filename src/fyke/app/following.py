"""Follows the settings of the installation while a server runs.

What may change without a restart is applied here: the private receivers that the operator has
allowed, and the mail server. A server reports the newest version as its own if it uses all of its
values.
"""

from __future__ import annotations

from fyke.app.folder import master_secret
from fyke.contracts.signals import SERVERS, Signals
from fyke.contracts.state import Storage
from fyke.domain.callbacks.allowed import neighbours_of
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.callbacks.mail import mail_of
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.nodes.settings_versions import opened
from fyke.kit.sealing import Sealer
from fyke.model.settings_version import SettingsVersion
from fyke.settings import Settings
from fyke.settings.shared import differing

FOLLOW_SECONDS = 5.0


class SettingsTimer:
    """Looks at the version after every signal, and every ``FOLLOW_SECONDS``. ``used`` is the number
    of the newest version whose values this server uses.
    """

    seconds = 0.0

    def __init__(
        self,
        storage: Storage,
        signals: Signals,
        settings: Settings,
        rules: CallbackRules,
        used: int,
        mail: CurrentMail | None = None,
    ) -> None:
        self._storage = storage
        self._signals = signals
        self._settings = settings
        self._rules = rules
        self._mail = mail or CurrentMail()
        self._seen = 0
        self.used = used

    async def follow(self) -> None:
        """Apply the newest version if it is new. Raises ``Unavailable``."""
        seen = self._seen
        number = await self._storage.read(lambda tx: tx.settings.newest_number())
        if not number:
            self._mail.use(None, number)
        if number == seen:
            return
        version = await self._storage.read(lambda tx: tx.settings.newest())
        if version is None:
            return
        await self._rules.look_up()
        self._rules.allow(neighbours_of(version), version.number)
        sealer = Sealer(master_secret(self._settings))
        self._mail.use(mail_of(version, sealer), version.number)
        if self._uses(version):
            self.used = version.number
        self._seen = version.number

    async def tick(self) -> None:
        """Follow until cancelled."""
        async with self._signals.listen() as listener:
            while True:
                await self.follow()
                await listener.wait(frozenset({SERVERS}), FOLLOW_SECONDS)

    def _uses(self, version: SettingsVersion) -> bool:
        sealer = Sealer(master_secret(self._settings))
        return not differing(self._settings, opened(version, sealer))
