"""The settings that must agree: those of a server that starts, and those of its installation.

The database has the values of the installation, with a version. A server that starts with other
values stores a new version if it is alone, and is refused if it is not. Its roles then use the
values of the database, as nodes do.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from fyke.app.egress_policy import own_policy
from fyke.app.folder import master_secret, place
from fyke.app.state import open_state
from fyke.contracts.state import Storage, Transaction
from fyke.domain.nodes.settings_versions import opened, sealed
from fyke.errors import Conflict, InvalidRequest
from fyke.kit.sealing import Sealer
from fyke.model.audit import AuditAction, NewAudit
from fyke.model.node import EgressPolicy
from fyke.model.settings_version import SERVER_SILENCE_MS, WHILE_RUNNING, SettingsVersion
from fyke.settings import Settings
from fyke.settings.shared import MARKS, SECRET, differing, shared_values, with_values

PAUSE_SECONDS = 1.0
START_MS = 60_000  # how long after it has stored a version a server may need until it reports
FLAG = "--change-settings"

log = structlog.get_logger()
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class KnownSettings:
    """The values of the installation by name, with their version; 0 before the first one.
    ``stored_by`` and ``stored_at`` (ms) are as in ``SettingsVersion``.
    """

    number: int = 0
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stored_by: str = ""
    stored_at: int = 0


async def known_settings(settings: Settings, storage: Storage) -> KnownSettings:
    """The settings of the installation. Raises ``Unavailable``."""
    version = await storage.read(lambda tx: tx.settings.newest())
    if version is None:
        return KnownSettings()
    values = opened(version, Sealer(master_secret(settings)))
    return KnownSettings(version.number, values, version.stored_by, version.stored_at)


async def installation_settings(settings: Settings, storage: Storage) -> tuple[Settings, int]:
    """These settings with the values of the installation, and the number of their version; 0 if it
    has none yet. Raises ``Unavailable``.
    """
    known = await known_settings(settings, storage)
    names = differing(settings, known.values)
    if not names:
        return settings, known.number
    # the file was changed while Fyke was running, or another server has changed the installation
    log.warning("settings_of_installation_used", version=known.number, differing=names)
    return with_values(settings, known.values), known.number


async def compare(settings: Settings) -> tuple[KnownSettings, list[str]]:
    """The settings of the installation, and the names of those that are different here. Raises
    ``Unavailable``, and ``OSError`` without ``secret.key``.
    """
    async with open_state(settings) as storage:
        known = await known_settings(settings, storage)
    return known, differing(settings, known.values)


# --- at the start of a server -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The names that differ from a version, and the servers that may use it, with their latest
    sign of life in ms.
    """

    names: list[str]
    version: int
    others: dict[str, int]


async def agree(
    settings: Settings,
    storage: Storage,
    report: Callable[[str], None],
    *,
    change: bool = False,
    pause: Pause = asyncio.sleep,
) -> None:
    """Compare these settings with the newest version, and store a new one if they differ. If a
    server of another data folder is active, raise ``Conflict`` instead, unless they are to
    ``change``. One that was killed is waited for until it counts as gone; ``report`` gets a
    sentence then.
    """
    _check_egress(own_policy(settings))
    seen: dict[str, int] | None = None
    while (refusal := await storage.write(_step(settings, change=change))) is not None:
        if seen is None:
            names = ", ".join(refusal.names)
            report(f"Settings differ from those of the installation ({names}); looking for others")
        elif any(at > seen.get(name, 0) for name, at in refusal.others.items()):
            raise Conflict(_sentence(refusal), remedy=_remedy(refusal.version))
        seen = refusal.others
        await pause(PAUSE_SECONDS)


def _check_egress(policy: EgressPolicy) -> None:
    """Raise ``InvalidRequest`` for what no egress would take."""
    from fyke.egress.pools import Pools
    from fyke.kit.addresses import AddressRules
    from fyke.kit.resolver import Resolver

    try:
        AddressRules(policy.allow)
        Pools(policy.upstreams, Resolver())
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


def _sentence(refusal: _Refusal) -> str:
    names, count = ", ".join(refusal.names), len(refusal.names)
    verb = "is" if count == 1 else "are"
    return (
        f"Other servers of this installation are active, and {names} {verb} different here: all "
        f"servers have to use the same {'value' if count == 1 else 'values'}"
    )


def _remedy(version: int) -> str:
    return (
        f"use those of version {version}; or stop the other servers first; or, to change the "
        f"installation while they run, give {FLAG} here and restart the others with the same values"
    )


def _step(settings: Settings, *, change: bool) -> Callable[[Transaction], _Refusal | None]:
    sealer, own_place = Sealer(master_secret(settings)), place(settings)
    own = shared_values(settings)

    def work(tx: Transaction) -> _Refusal | None:
        newest = tx.settings.newest()
        stored = opened(newest, sealer) if newest is not None else {}
        names = differing(settings, stored)
        added = [name for name in MARKS if name not in stored]
        if newest is not None and not names and not added:
            return None
        number = newest.number if newest is not None else 0
        if names and newest is not None and not change:
            others = _others(tx, newest, own_place)
            if others:
                return _Refusal(names, number, others)
        values = {**stored, **own} if names or not stored else {**own, **stored}
        config, secrets = sealed(values, SECRET, sealer)
        by = f"{socket.gethostname()} {settings.home}"
        version = SettingsVersion(number + 1, config, secrets, tuple(names), by, own_place, tx.now)
        if not tx.settings.add(version):
            return _Refusal(names, number, {})  # another server was faster: compare once more
        if newest is not None and names:
            _record(tx, version)
            log.warning("settings_changed", version=version.number, changed=names, by=by)
        return None

    return work


def _others(tx: Transaction, newest: SettingsVersion, own_place: str) -> dict[str, int]:
    """The active servers of other places, and a place that has just stored a version: its server
    may not have reported yet. Servers of the own folder have the same file, so they use the new
    values when they are restarted. Times from before a clock was set back do not count.
    """
    latest = tx.now + SERVER_SILENCE_MS
    beats = tx.servers.active(tx.now - SERVER_SILENCE_MS)
    others = {
        beat.id: beat.heartbeat_at
        for beat in beats
        if beat.place != own_place and beat.heartbeat_at <= latest
    }
    changed = frozenset(newest.changed)
    is_start = not changed or not changed <= WHILE_RUNNING  # else it was stored while servers ran
    is_recent = tx.now - START_MS < newest.stored_at <= latest
    if is_start and newest.place != own_place and is_recent:
        others.setdefault(newest.place, newest.stored_at)
    return others


def _record(tx: Transaction, version: SettingsVersion) -> None:
    operator = tx.accounts.operator()
    if operator is not None:
        names = ", ".join(version.changed)
        detail = f"{names}, by the start of {version.stored_by}"[:500]
        entry = NewAudit(
            operator.id, "", "", "", "", "", AuditAction.INSTALLATION_SETTINGS,
            f"version {version.number}", detail,
        )  # fmt: skip
        tx.audit.add(entry)
