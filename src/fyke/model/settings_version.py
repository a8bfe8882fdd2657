"""The settings that must agree on all machines, as the installation has stored them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

SERVER_SILENCE_MS = 15_000  # a server without a heartbeat for so long does not count as active
# names in ``config`` that are no settings; they change while servers run
NEIGHBOURS = "callback_neighbours"  # see ``fyke.domain.callbacks.allowed``
MAIL = "console_mail"  # see ``fyke.domain.callbacks.mail``
WHILE_RUNNING = frozenset({NEIGHBOURS, MAIL})


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """One version. ``config`` has the values in JSON types by name, without those that are secret;
    these are in ``sealed``, which is empty if there are none. ``changed`` are the names that differ
    from the version before, ``stored_by`` is the machine and folder whose start has stored it, or
    the user who has changed it while servers ran, ``place`` as in ``RunnerInfo``, ``stored_at`` in
    ms.
    """

    number: int  # 1, 2, ...
    config: Mapping[str, Any]
    sealed: str
    changed: tuple[str, ...]
    stored_by: str
    place: str
    stored_at: int

    def changed_to(self, name: str, value: Any, by: str, now: int) -> SettingsVersion:
        """The next version, with one other value that has changed while servers ran. No server has
        started with it, so it keeps the place of the last one.
        """
        return replace(
            self,
            number=self.number + 1,
            config={**self.config, name: value},
            changed=(name,),
            stored_by=f"{by} while it ran",
            stored_at=now,
        )


NO_VERSION = SettingsVersion(0, {}, "", (), "", "", 0)


@dataclass(frozen=True, slots=True)
class ServerBeat:
    """A server as it last reported, in ms. ``place`` is as in ``RunnerInfo``; ``settings_version``
    is the number of the one that it was started with, 0 for a release without versions.
    """

    id: str
    heartbeat_at: int
    place: str = ""
    settings_version: int = 0
