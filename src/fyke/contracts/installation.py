"""The installation as the operator sees it: what only its own process can find out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from fyke.model.installation import (
    Component,
    EgressReport,
    SettingLine,
    StorageReport,
    Tariff,
    TimerLine,
)

if TYPE_CHECKING:  # it asks for contracts itself
    from fyke.model.health import HealthCheck


class InstallationProbe(Protocol):
    """Looks at settings, files and helpers. Nothing of it blocks the caller's loop."""

    def tariff(self) -> Tariff: ...
    def way_out(self) -> EgressReport: ...
    def settings(self) -> Sequence[SettingLine]: ...
    def timers(self) -> Sequence[TimerLine]: ...
    def keep_days(self) -> int: ...

    async def storage(self) -> StorageReport:
        """Takes up to some seconds. Raises ``Unavailable``."""
        ...

    async def pieces(self) -> Sequence[Component]:
        """Programs, databases and their tables. Takes up to some seconds."""
        ...

    async def database(self) -> Sequence[HealthCheck]: ...
    async def egress(self) -> Sequence[HealthCheck]: ...


class InstallationStore(Protocol):
    """Questions over all accounts."""

    def removable(self, before: int, most: int) -> tuple[int, int, int]:
        """How many runs ended before that, counted up to ``most``, and when the first and the last
        of those did (0 without any).
        """
        ...

    def runs(self) -> int:
        """How many there are, of all accounts."""
        ...
