"""Log lines, new and stored, and filters for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

MAX_LISTED_LINES = 1_000  # of one page
MAX_SEARCHED_TEXT = 1_000  # characters that may be searched for


class LogType(IntEnum):
    """Severity, as numbered on the wire."""

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
    """A stored log line; ``position`` is 1-based and increases within its run."""

    position: int
    type: int
    group: str
    content: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class LogExcerpt:
    """A stored log line for a page: ``content`` may be truncated, ``length`` is the full length in
    characters.
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
    """Selects lines of at least severity ``level`` that contain ``text``; the case of A to Z is
    ignored. ``LogFilter()`` selects all.
    """

    level: int = LogType.DEBUG
    text: str = ""

    @property
    def matches_all(self) -> bool:
        return self.level <= LogType.DEBUG and not self.text

    def matches(self, entry: LogEntry | LogExcerpt) -> bool:
        """Whether the line is selected, by the rule that the store applies."""
        if entry.type < self.level:
            return False
        return _lower(self.text) in _lower(entry.content)


_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _lower(text: str) -> str:
    """Lower only A to Z, as the databases do."""
    return text.translate(_LOWER)
