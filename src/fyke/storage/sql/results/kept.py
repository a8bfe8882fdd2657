"""How many rows of hidden attempts are shown, because visible attempts have upserted them.

Each attempt counts its rows that others have upserted (``shared_rows``), so a run is not counted
anew with every read while it goes on. Of these, only rows that none but hidden attempts have
upserted are hidden. If a single attempt is hidden, there are none. If several are, they are read
once: hidden attempts have ended, so such a row changes only when a visible attempt upserts it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.tables import LAST_POSITION, key
from fyke.storage.sql.results.write import chunks, placeholders

# the attempts of a run that have rows in common with others
SHARING = """
    SELECT a.run, a.number, a.attempt_id, a.shared_rows, a.shared_bytes, a.upserted
    FROM results_attempts a JOIN results_runs r ON r.number = a.run
    WHERE r.run_id = ? AND (a.shared_rows > 0 OR a.upserted > 0) ORDER BY a.number
"""
# rows that only hidden attempts have upserted: the record of the attempt that has stored it
_HIDDEN = """
    FROM results_shares o WHERE o.id > ? AND o.id <= ? AND o.bytes IS NOT NULL
    AND o.attempt IN ({hidden}) AND NOT EXISTS (
        SELECT 1 FROM results_shares s WHERE s.id = o.id AND s.attempt NOT IN ({hidden}))
"""
_VISIBLE = """
    SELECT DISTINCT id FROM results_shares
    WHERE id IN ({rows}) AND attempt NOT IN ({hidden})
"""
MAX_REMEMBERED = 2000  # rows of one entry that are looked at again; more are counted anew
_ENTRIES = 64


@dataclass(frozen=True, slots=True)
class _HiddenRows:
    """The number and the bytes of the hidden rows after so many ``upserts`` of visible attempts.
    ``sizes`` has the bytes of each by its id; None for too many.
    """

    upserts: int
    rows: int
    bytes: int
    sizes: dict[int, int] | None


class KeptRowCounts:
    """Counts them, and remembers hidden rows by run and hidden attempts. Thread-safe."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[Any, ...], _HiddenRows] = OrderedDict()
        self._lock = threading.Lock()

    def count(
        self, driver: Driver, sharing: Sequence[Sequence[Any]], hidden: frozenset[str]
    ) -> tuple[int, int]:
        """The number and the bytes of the kept rows. ``sharing`` is the answer to ``SHARING``."""
        own = [row for row in sharing if row[2] in hidden]
        rows, row_bytes = sum(row[3] for row in own), sum(row[4] for row in own)
        owners = {row[1] for row in own if row[3]}
        upserting = {row[1] for row in own if row[5]}
        if not any(upserting - {owner} for owner in owners):
            return int(rows), int(row_bytes)
        # of the others, which may upsert such a row meanwhile; read before these rows are
        upserts = int(sum(row[5] for row in sharing if row[2] not in hidden))
        found = self._hidden_rows(driver, own, upserts)
        return int(rows) - found.rows, int(row_bytes) - found.bytes

    def _hidden_rows(
        self, driver: Driver, own: Sequence[Sequence[Any]], upserts: int
    ) -> _HiddenRows:
        entry = tuple(tuple(row) for row in own)  # with what they have pushed, if one is not closed
        with self._lock:
            known = self._entries.get(entry)
        if known is not None and known.upserts == upserts:
            return known
        numbers = [row[1] for row in own]
        if known is None or known.sizes is None:
            found = _read(driver, own[0][0], numbers, upserts)
        else:
            found = _still_hidden(driver, known.sizes, numbers, upserts)
        with self._lock:
            self._entries[entry] = found
            self._entries.move_to_end(entry)
            if len(self._entries) > _ENTRIES:
                self._entries.popitem(last=False)
        return found


def _read(driver: Driver, run: int, hidden: Sequence[int], upserts: int) -> _HiddenRows:
    statement = _HIDDEN.format(hidden=placeholders(len(hidden)))
    params = (key(run, 0), key(run, LAST_POSITION), *hidden, *hidden)
    few = f"SELECT o.id, o.bytes {statement} LIMIT {MAX_REMEMBERED + 1}"
    first = driver.search(few, params)
    if len(first) <= MAX_REMEMBERED:
        return _of({int(row_id): int(size) for row_id, size in first}, upserts)
    sums = f"SELECT count(*), coalesce(sum(o.bytes), 0) {statement}"
    [(rows, size)] = driver.search(sums, params)
    return _HiddenRows(upserts, int(rows), int(size), None)


def _still_hidden(
    driver: Driver, sizes: dict[int, int], hidden: Sequence[int], upserts: int
) -> _HiddenRows:
    shown: set[int] = set()
    for chunk in chunks(sizes):
        statement = _VISIBLE.format(rows=placeholders(len(chunk)), hidden=placeholders(len(hidden)))
        shown.update(row_id for (row_id,) in driver.search(statement, (*chunk, *hidden)))
    return _of({row_id: size for row_id, size in sizes.items() if row_id not in shown}, upserts)


def _of(sizes: dict[int, int], upserts: int) -> _HiddenRows:
    return _HiddenRows(upserts, len(sizes), sum(sizes.values()), sizes)
