"""The installation as the operator sees it: what only its own process can find out."""

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
    """Looks at settings, files and helpers. Nothing of it blocks the caller's loop."""

    def tariff(self) -> Tariff: ...
    def egress_report(self) -> EgressReport: ...
    def settings(self) -> Sequence[SettingLine]: ...
    def timers(self) -> Sequence[TimerLine]: ...
    def keep_days(self) -> int: ...

    async def storage(self) -> StorageReport:
        """Takes up to some seconds. Raises ``Unavailable``."""
        ...

    async def components(self) -> Sequence[Component]:
        """Programs, databases and their tables. Takes up to some seconds."""
        ...

    async def database(self) -> Sequence[HealthCheck]: ...
    async def egress(self) -> Sequence[HealthCheck]: ...
