"""The settings that must agree on all machines, as the installation has stored them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SERVER_SILENCE_MS = 15_000  # a server without a heartbeat for so long does not count as active
NEIGHBOURS = (
    "callback_neighbours"  # in ``config``: no setting, see ``fyke.domain.callbacks.allowed``
)


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


@dataclass(frozen=True, slots=True)
class ServerBeat:
    """A server as it last reported, in ms. ``place`` is as in ``RunnerInfo``; ``settings_version``
    is the number of the one that it was started with, 0 for a release without versions.
    """

    id: str
    heartbeat_at: int
    place: str = ""
    settings_version: int = 0
