"""An installation probe with fixed figures, which a test may change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fyke.model.account import Plan
from fyke.model.billing import Prices
from fyke.model.health import HealthCheck, Level
from fyke.model.installation import (
    Component,
    EgressReport,
    RegionProxy,
    SettingLine,
    StorageReport,
    StoredPart,
    Tariff,
    TimerLine,
)
from fyke.reasons import health_texts

MIB = 2**20


@dataclass
class FixedProbe:
    """Implements ``contracts.InstallationProbe``. ``calls`` names those that read the disk."""

    prices: Prices
    days: int = 0
    calls: list[str] = field(default_factory=list)
    lines: list[TimerLine] = field(
        default_factory=lambda: [
            TimerLine("alert", 5, 0, 0, 0, ""),
            TimerLine("lease", 0, 9, 0, 0, ""),
        ]
    )

    def tariff(self) -> Tariff:
        return Tariff(self.prices, Plan.FREE, 60, 1000)

    def egress_report(self) -> EgressReport:
        regions = [
            RegionProxy("DE", "socks5h://de.proxy.example:1080", ""),
            RegionProxy("US", "", "an upstream URL needs a host and a port"),
        ]
        return EgressReport(regions, "DE", ("db.example:5432",), ())

    def settings(self) -> Sequence[SettingLine]:
        return [
            SettingLine("database_url", "postgresql://fyke:***@db/fyke", "file (config.toml)"),
            SettingLine("port", "8100", "default"),
        ]

    def timers(self) -> Sequence[TimerLine]:
        return self.lines

    def keep_days(self) -> int:
        return self.days

    async def storage(self) -> StorageReport:
        self.calls.append("storage")
        parts = [
            StoredPart("state", health_texts.STATE_FILE, 40 * MIB, 2),
            StoredPart("rows", health_texts.ROWS_FILE, 900 * MIB, 2),
            StoredPart("blobs", health_texts.BLOBS_HERE, 12 * MIB, 30, complete=False),
        ]
        return StorageReport(1_700_000_000_000, parts, 8000 * MIB, 20_000 * MIB, 256 * MIB)

    async def components(self) -> Sequence[Component]:
        self.calls.append("components")
        return [Component("Fyke", "1.0.0"), Component("node", "", "not found; only for Node.js")]

    async def database(self) -> Sequence[HealthCheck]:
        return [HealthCheck("database", Level.GOOD, "SQLite answers")]

    async def egress(self) -> Sequence[HealthCheck]:
        return [HealthCheck("egress", Level.BAD, "the proxy does not answer", "wait")]
