"""Which attempts the state knows. Rows of others are never shown.

An attempt that appears only in the rows comes from a lost state: the file of the state is older
than that of the rows, because one of them was restored, or because the last commits did not survive
a loss of power. Its run starts again and pushes the same rows.

Attempts are listed before the state is queried, and the state has an attempt before its first row.
So an attempt that was listed but is unknown never becomes known, and each is looked up once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

MAX_RUNS = 10_000

Lookup = Callable[[Sequence[str]], Awaitable[frozenset[str]]]  # returns those that the state knows


class NewAttempts(Exception):
    """Attempts of a run that were not looked up yet; ``last`` is the highest of their numbers."""

    def __init__(self, last: int, attempt_ids: Sequence[str]) -> None:
        super().__init__(f"{len(attempt_ids)} attempts")
        self.last = last
        self.attempt_ids = attempt_ids


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The attempts of a run up to number ``last`` were looked up; these are ``unknown``."""

    last: int = 0
    unknown: frozenset[str] = frozenset()


class KnownAttempts:
    """What was looked up, for the runs that were read last. Used by one event loop."""

    def __init__(self, lookup: Lookup, limit: int = MAX_RUNS) -> None:
        self._lookup = lookup
        self._limit = limit
        self._runs: OrderedDict[str, LookedUp] = OrderedDict()

    def of(self, run_id: str) -> LookedUp:
        return self._runs.get(run_id) or LookedUp()

    async def look_up(self, run_id: str, new: NewAttempts) -> None:
        """Look these attempts up in the state. Raises what the state raises."""
        known = await self._lookup(new.attempt_ids)
        before = self.of(run_id)
        unknown = before.unknown.union(new.attempt_ids) - known
        self._runs[run_id] = LookedUp(max(before.last, new.last), unknown)
        self._runs.move_to_end(run_id)
        while len(self._runs) > self._limit:
            self._runs.popitem(last=False)
