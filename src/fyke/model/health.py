"""The health of an installation, as figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How well something is."""

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
    """The disk of the data folder, in bytes; below ``floor`` no run is taken."""

    free: int
    total: int
    floor: int


@dataclass(frozen=True, slots=True)
class ProxyReport:
    """Whether the proxy of a region takes connections: ``error`` is empty when it does."""

    region: str
    host: str
    milliseconds: int
    error: str
