"""Which rows of a run are hidden: those of hidden attempts into which no visible one has merged.

A row belongs to the attempt that stored it, but upserts of others may have changed it. Then each of
them has a record in ``results_shares``, and the row is hidden only if all of them are. Most runs
have no such row, and are read without looking at these records.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.tables import LAST_POSITION, key, position_of
from fyke.storage.sql.results.write import placeholders

_HAS_SHARES = "SELECT 1 FROM results_shares WHERE id > ? AND id <= ? LIMIT 1"
_ATTEMPTS = """
    SELECT number, closed, rows FROM results_attempts
    WHERE run = ? AND attempt_id IN ({placeholders}) ORDER BY number
"""
# the attempt with the id of the run is not closed, and has no rows
_OF_ALL = """
    SELECT max(a.number), count(CASE WHEN NOT a.closed THEN 1 END)
    FROM results_attempts a JOIN results_runs r ON r.number = a.run
    WHERE a.run = ? AND a.attempt_id <> r.run_id
"""
_OF_SHARED = """
    EXISTS (SELECT 1 FROM (
        SELECT w.attempt AS number UNION ALL
        SELECT s.attempt FROM results_shares s WHERE s.id = w.id
    ) c WHERE c.number NOT IN ({placeholders}))
"""
_VISIBLE = """
    SELECT DISTINCT id FROM results_shares
    WHERE id > ? AND id <= ? AND attempt NOT IN ({placeholders})
"""


@dataclass(frozen=True, slots=True)
class Excluded:
    """The numbers of the hidden attempts; none if they have no rows. ``shared``: rows of the run
    may have several attempts. ``cache_key`` identifies the hidden rows; None while they may change.
    """

    attempts: tuple[int, ...] = ()
    shared: bool = False
    cache_key: tuple[int, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.attempts)

    @property
    def is_visible(self) -> str:
        """The condition for visible rows of the table ``w``, with these attempts as parameters."""
        condition = _OF_SHARED if self.shared else "w.attempt NOT IN ({placeholders})"
        return condition.format(placeholders=placeholders(len(self.attempts)))

    @property
    def and_visible(self) -> str:
        return f"AND {self.is_visible}" if self.attempts else ""

    def kept(self, driver: Driver, begin: int, end: int) -> frozenset[int]:
        """The positions of rows with several attempts, of which at least one is visible. The range
        is one of keys, without ``begin``.
        """
        if not self.shared:
            return frozenset()
        statement = _VISIBLE.format(placeholders=placeholders(len(self.attempts)))
        found = driver.search(statement, (begin, end, *self.attempts))
        return frozenset(position_of(row_id) for (row_id,) in found)


def excluded_of(driver: Driver, run: int, hidden: frozenset[str]) -> Excluded:
    """What the attempts with these ids hide of the run with this number."""
    if not hidden:
        return Excluded()
    attempts, shares = driver.queries(
        (_ATTEMPTS.format(placeholders=placeholders(len(hidden))), (run, *hidden)),
        (_HAS_SHARES, (key(run, 0), key(run, LAST_POSITION))),
    )
    with_rows = [(int(number), bool(closed)) for number, closed, rows in attempts if rows]
    if not with_rows:
        return Excluded()
    if not shares:
        numbers = tuple(number for number, _ in with_rows)
        is_closed = all(closed for _, closed in with_rows)
        return Excluded(numbers, cache_key=(run, *numbers) if is_closed else None)
    numbers = tuple(int(number) for number, *_ in attempts)
    [(last, still_open)] = driver.search(_OF_ALL, (run,))
    # any open attempt may merge into a row, which is then shown; the run may be deleted meanwhile
    may_change = still_open or last is None
    return Excluded(numbers, shared=True, cache_key=None if may_change else (run, -last, *numbers))
