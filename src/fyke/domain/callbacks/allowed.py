"""Private receivers that the operator allows while the servers run, and takes back.

They belong to the settings that must agree: each change is the next version of these, and all
servers use it within seconds (``fyke.app.following``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fyke.contracts.signals import SERVERS
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_confirmed, require_operator, require_owner
from fyke.domain.callbacks.neighbours import Neighbour, allows, only_form
from fyke.domain.callbacks.url import CallbackRules
from fyke.errors import Conflict, InvalidRequest, NotFound
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.installation import AllowedReceivers, ReceiverPreview
from fyke.model.settings_version import NEIGHBOURS, NO_VERSION, SettingsVersion

MAX_ENTRIES = 100
FIELD = "entry"


class AllowedCallbacks:
    """The entries. ``rules`` are those of this server, ``by_setting`` returns the entries of its
    setting ``callback_allow``. All methods raise ``Forbidden`` for callers but the operator.
    """

    def __init__(
        self, storage: Storage, rules: CallbackRules, by_setting: Callable[[], Sequence[str]]
    ) -> None:
        self._storage = storage
        self._rules = rules
        self._by_setting = by_setting

    async def list(self, caller: Caller) -> AllowedReceivers:
        require_operator(caller, "Reading the allowed receivers")
        newest = await self._storage.read(lambda tx: tx.settings.newest())
        return self._listed(newest)

    async def preview(self, caller: Caller, text: str) -> ReceiverPreview:
        """What ``allow`` would change. Raises ``InvalidRequest``."""
        require_operator(caller, "Allowing a receiver")
        entry = await self._parsed(text)
        found = self._listed(await self._storage.read(lambda tx: tx.settings.newest()))
        target = entry.target
        return ReceiverPreview(
            entry.text,
            entry.text.rpartition(":")[0],
            entry.port,
            0 if isinstance(target, str) else target.num_addresses,
            self._rules.neighbours.left_out(entry),
            allows([*found.entries, *found.by_setting], entry),
        )

    async def allow(self, caller: Caller, text: str) -> AllowedReceivers:
        """Allow callbacks and webhooks of all accounts to these addresses, on all servers; nothing
        changes if they are. Raises ``InvalidRequest``, ``Conflict``, ``ConfirmationNeeded``.
        """
        require_operator(caller, "Allowing a receiver")
        require_owner(caller, "Allowing a receiver")
        entry = (await self._parsed(text)).text

        def change(before: Sequence[str]) -> Sequence[str]:
            if entry in before:
                return before
            if len(before) >= MAX_ENTRIES:
                raise Conflict(
                    f"There are {MAX_ENTRIES} entries already",
                    remedy="remove one, or allow a network",
                )
            return [*before, entry]

        return await self._change(caller, change, f"callback_allow: allowed {entry}")

    async def forbid(self, caller: Caller, text: str) -> AllowedReceivers:
        """Take an entry back. Callbacks that wait fail at their next attempt. Raises ``NotFound``,
        ``Conflict``, ``ConfirmationNeeded``.
        """
        require_operator(caller, "Removing a receiver")
        require_owner(caller, "Removing a receiver")
        typed = only_form(text)

        def change(before: Sequence[str]) -> Sequence[str]:
            if typed in before:
                return [entry for entry in before if entry != typed]
            if typed in map(only_form, self._by_setting()):
                raise Conflict(
                    f"{typed} is allowed by the setting callback_allow",
                    remedy="change it in config.toml or in the environment, and restart",
                )
            raise NotFound(f"There is no entry {typed[:80]!r}; the list has those that there are")

        return await self._change(caller, change, f"callback_allow: removed {typed}")

    def entry_for(self, caller: Caller, url: str) -> str:
        """The entry that would allow this refused URL, for the operator; "" for others, and where
        no entry would.
        """
        return self._rules.entry_for(url) if caller.operator else ""

    async def _parsed(self, text: str) -> Neighbour:
        await self._rules.look_up()
        try:
            return self._rules.neighbours.parse(text)
        except ValueError as error:
            raise InvalidRequest(str(error), field=FIELD) from None

    async def _change(
        self, caller: Caller, change: Callable[[Sequence[str]], Sequence[str]], detail: str
    ) -> AllowedReceivers:
        def work(tx: Transaction) -> SettingsVersion | None:
            require_confirmed(tx, caller)
            newest = tx.settings.newest()
            before = neighbours_of(newest)
            entries = change(before)
            if entries == before:
                return newest
            by = caller.user_name or caller.account_name
            version = (newest or NO_VERSION).changed_to(NEIGHBOURS, list(entries), by, tx.now)
            if not tx.settings.add(version):
                raise Conflict("The settings were changed at this moment", remedy="try again")
            target = f"version {version.number}"
            record(tx, caller, AuditAction.INSTALLATION_SETTINGS, target, detail)
            tx.notify(SERVERS)
            return version

        version = await self._storage.write(work)
        listed = self._listed(version)
        self._rules.allow(listed.entries, listed.version)
        return listed

    def _listed(self, version: SettingsVersion | None) -> AllowedReceivers:
        number = version.number if version is not None else 0
        return AllowedReceivers(number, list(self._by_setting()), neighbours_of(version))


def neighbours_of(version: SettingsVersion | None) -> Sequence[str]:
    """The entries of a version of the settings."""
    return [] if version is None else list(version.config.get(NEIGHBOURS, ()))
