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
    """A log line to be stored. ``type``: 1 debug, 2 info, 3 warn, 4 error."""

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


@dataclass(frozen=True, slots=True)
class LogExcerpt:
    """A stored log line as a page shows it: ``content`` is cut, ``length`` is that of all of it,
    both in characters.
    """

    position: int
    type: int
    group: str
    content: str
    timestamp: int
    length: int

    @property
    def cut(self) -> bool:
        return self.length > len(self.content)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted: those with at least the severity ``level`` that contain ``text``,
    without regard to the case of A to Z. ``LogFilter()`` wants all.
    """

    level: int = LogType.DEBUG
    text: str = ""

    @property
    def matches_all(self) -> bool:
        return self.level <= LogType.DEBUG and not self.text

    def matches(self, entry: LogEntry | LogExcerpt) -> bool:
        """Whether a line matches, by the same rule as the store applies."""
        if entry.type < self.level:
            return False
        return _lower(self.text) in _lower(entry.content)


_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _lower(text: str) -> str:
    """As the databases do it: other letters than A to Z stay as they are."""
    return text.translate(_LOWER)
