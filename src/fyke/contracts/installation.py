"""Facts about the installation, for its operator, that only the server process can report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fyke.model.health import HealthCheck
from fyke.model.installation import (
    Component,
    EgressReport,
    SettingLine,
    StorageReport,
    Tariff,
    TimerLine,
)


class InstallationProbe(Protocol):
    """Reads settings, files and the state of other processes. Does not block the event loop."""

    def tariff(self) -> Tariff: ...
    def egress_report(self) -> EgressReport: ...
    def settings(self) -> Sequence[SettingLine]: ...
    def timers(self) -> Sequence[TimerLine]: ...
    def keep_days(self) -> int: ...

    async def storage(self) -> StorageReport:
        """May take some seconds. Raise ``Unavailable``."""
        ...

    async def components(self) -> Sequence[Component]:
        """Programs, databases and their tables. May take some seconds."""
        ...

    async def database(self) -> Sequence[HealthCheck]: ...
    async def egress(self) -> Sequence[HealthCheck]: ...
