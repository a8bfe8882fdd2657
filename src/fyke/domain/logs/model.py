"""Log lines, on their way in and as stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class LogType(IntEnum):
    """Severity as the wire numbers it."""

    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


@dataclass(frozen=True, slots=True)
class NewLogEntry:
    """A log line on its way in. ``type``: 1 debug, 2 info, 3 warn, 4 error."""

    type: int
    group: str
    content: str
    timestamp: int  # ms


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A stored log line; ``position`` is 1-based and rising within its run."""

    position: int
    type: int
    group: str
    content: str
    timestamp: int
