"""Health checks of an installation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The result of a check."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One check. ``remedy`` is what to do, unless the level is good."""

    name: str
    level: Level
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the data folder, in bytes; below ``floor`` free bytes no run is started."""

    free: int
    total: int
    floor: int


@dataclass(frozen=True, slots=True)
class ProxyReport:
    """Whether the proxy of a region accepts connections; ``error`` is empty when it does."""

    region: str
    host: str
    milliseconds: int
    error: str
