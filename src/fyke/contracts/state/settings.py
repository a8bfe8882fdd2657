"""The stores of servers, of the settings that must agree, and of facts about the installation."""

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


class InstallationStore(Protocol):
    """Facts about the installation, and queries across all accounts."""

    def fact(self, name: str) -> str | None:
        """The value of a fact; None when it is not known yet."""
        ...

    def settle(self, name: str, value: str) -> str:
        """Store the fact unless it is known; return the value that is stored now."""
        ...

    def replace(self, name: str, value: str) -> None:
        """Store the fact, known or not."""
        ...

    def exchange(self, name: str, before: str, value: str) -> bool:
        """Store the fact if it is still ``before``."""
        ...

    def removable(self, before: int, limit: int) -> tuple[int, int, int]:
        """The number of runs that ended before then, counted up to ``limit``, and when the first
        and the last of these ended (0 without any).
        """
        ...

    def runs(self) -> int:
        """The number of runs of all accounts."""
        ...
