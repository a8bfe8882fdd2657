"""Leaves out what a log repeats: the platform's line about a subtask that failed ends with the last
lines of the Worker's stderr, which are usually just above it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fyke.model.log import LogExcerpt

OF_PLATFORM = "SYSTEM: Subtask-["
MAX_REMEMBERED = 500  # lines
MAX_LINE = 500  # characters of one, as in the platform's line


@dataclass(slots=True)
class ShownLines:
    """What readers of a log have seen, to show each entry without what they have seen before."""

    _seen: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_REMEMBERED))

    def next(self, content: str) -> str:
        """The content of the next entry."""
        first, *rest = content.split("\n")
        is_repeated = bool(rest) and first.startswith(OF_PLATFORM) and self._has(rest)
        self._seen += [line[:MAX_LINE] for line in (first, *rest)]
        return first if is_repeated else content

    def excerpts(self, entries: Iterable[LogExcerpt]) -> list[LogExcerpt]:
        """The next entries; what is left out of them counts as cut off."""
        return [replace(entry, content=self.next(entry.content)) for entry in entries]

    def _has(self, lines: list[str]) -> bool:
        """Whether all lines were seen; the last one may be cut off."""
        seen = set(self._seen)
        *whole, last = lines
        return all(not line.strip() or line[:MAX_LINE] in seen for line in whole) and any(
            line.startswith(last[:MAX_LINE]) for line in seen
        )
