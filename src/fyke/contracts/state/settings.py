"""The stores of servers, and of the settings that must agree."""

from __future__ import annotations

from typing import Protocol

from fyke.model.settings_version import ServerBeat, SettingsVersion


class ServerStore(Protocol):
    """The servers that use this state."""

    def heartbeat(self, beat: ServerBeat) -> None:
        """Record a heartbeat."""
        ...

    def active(self, since: int) -> list[ServerBeat]:
        """The servers with a heartbeat since ``since``, by id."""
        ...

    def count_active(self, since: int) -> int:
        """The number of servers with a heartbeat since ``since``."""
        ...

    def drop(self, server_id: str) -> None: ...
    def drop_silent(self, since: int) -> None:
        """Remove servers without a heartbeat since ``since``."""
        ...


class SettingsStore(Protocol):
    """The versions of the settings that must agree."""

    def newest(self) -> SettingsVersion | None:
        """None before the first start of a server."""
        ...

    def newest_number(self) -> int:
        """The number of the newest version, 0 without any."""
        ...

    def add(self, version: SettingsVersion) -> bool:
        """Store a version; False if there is one with this number."""
        ...
