"""How often something may be started that may always fail at once."""

from __future__ import annotations

from collections import deque

_MINUTE = 60.0


class TooManyStarts(Exception):
    """There were too many starts; ``retry_after`` seconds, 0 = never again."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class StartBudget:
    """At most ``a_minute`` starts within a minute, and ``total`` in all. Times in seconds by a
    monotonic clock. ``noun`` names the things in the text of a refusal, in the plural.
    """

    def __init__(self, noun: str, *, total: int, a_minute: int) -> None:
        self._noun = noun
        self._total = total
        self._starts = 0
        self._latest: deque[float] = deque(maxlen=a_minute)

    def check(self, at: float) -> None:
        """Raise ``TooManyStarts``."""
        if self._starts >= self._total:
            raise TooManyStarts(
                f"the attempt has started {self._total} {self._noun}, the most allowed", 0
            )
        if len(self._latest) == self._latest.maxlen and at - self._latest[0] < _MINUTE:
            left = round(_MINUTE - (at - self._latest[0])) or 1
            raise TooManyStarts(
                f"the attempt has started {len(self._latest)} {self._noun} within a minute", left
            )

    def count(self, at: float) -> None:
        """Count a start."""
        self._starts += 1
        self._latest.append(at)

    def give_back(self) -> None:
        """Do not count the latest start."""
        if self._latest:
            self._starts -= 1
            self._latest.pop()
