"""What one commit will write, computed without the database.

Batches are added to a ``CommitPlan`` in order. It assigns positions, merges upserts, including
those of rows in the same commit, and adds up the changes of the totals of attempts. A row is merged
once, by ``finish``, however many upserts it gets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.dialects import to_storable_text
from fyke.storage.sql.results.merge import digest, merge
from fyke.storage.sql.results.tables import LAST_POSITION, first_key

_TYPES = frozenset(int(kind) for kind in LogType)


@dataclass(slots=True)
class RunCounters:
    """The last positions of a run, locked by the transaction."""

    number: int
    rows: int
    log_entries: int


@dataclass(slots=True)
class StoredRow:
    """A row with an upsert key, and the upserts that are to be merged into it. ``shared_bytes``:
    those of its record in ``results_shares``, None if no other attempt than its own has upserted
    it; ``others``: those that do so now.
    """

    row_id: int
    attempt: int
    data: bytes
    shared_bytes: int | None = None
    pushed: list[bytes] = field(default_factory=list)
    others: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Growth:
    """The change of an attempt's totals; ``bytes`` may be negative. ``moved``: by how much the
    number of its last batch or moved record grows. The last three are those of the table.
    """

    rows: int = 0
    bytes: int = 0
    moved: int = 0
    shared_rows: int = 0
    shared_bytes: int = 0
    upserted: int = 0

    @property
    def is_shared(self) -> bool:
        return bool(self.shared_rows or self.shared_bytes or self.upserted)


@dataclass(slots=True)
class CommitPlan:
    """All values to write, as parameters of the statements."""

    rows: list[tuple[int, int, bytes]] = field(default_factory=list)
    merged: dict[int, bytes] = field(default_factory=dict)
    upserts: list[tuple[int, bytes, int]] = field(default_factory=list)
    shares: list[tuple[int, int, int | None]] = field(default_factory=list)
    log: list[tuple[int, int, str, str, int]] = field(default_factory=list)
    headers: dict[int, bytes] = field(default_factory=dict)
    growth: dict[int, Growth] = field(default_factory=dict)
    runs: dict[int, RunCounters] = field(default_factory=dict)
    _new_upserts: dict[int, int] = field(default_factory=dict)  # row id to index in ``rows``
    _to_merge: dict[int, StoredRow] = field(default_factory=dict)  # by row id

    def add(
        self,
        batch: AttemptBatch,
        run: RunCounters,
        attempt: int,
        upsert_rows: dict[tuple[int, bytes], StoredRow],
    ) -> Growth:
        """Add the batch; return the growth of its attempt. ``upsert_rows`` has all stored rows of
        its upserts; new ones are added to it.
        """
        self.runs[run.number] = run
        # even without rows: ``Driver.was_committed`` looks for this update
        growth = self._growth(attempt)
        if has_upserts(batch):
            self._upsert(batch.rows, run, attempt, upsert_rows)
        elif batch.rows:
            self._append(batch.rows, run, attempt, growth)
        if batch.headers is not None:
            self.headers[attempt] = _header_json(batch)
        if batch.log:
            self._log(batch.log, run)
        return growth

    def _append(
        self, rows: list[PushedRow], run: RunCounters, attempt: int, growth: Growth
    ) -> None:
        row_id = first_key(run.number) + run.rows
        for row in rows:
            row_id += 1
            self.rows.append((row_id, attempt, row.data))
            growth.bytes += len(row.data)
        run.rows += len(rows)
        growth.rows += len(rows)

    def _upsert(
        self,
        rows: list[PushedRow],
        run: RunCounters,
        attempt: int,
        upsert_rows: dict[tuple[int, bytes], StoredRow],
    ) -> None:
        growth = self._growth(attempt)
        for row in rows:
            if not row.upsert_key:
                self._append([row], run, attempt, growth)
                continue
            key = (run.number, digest(row.upsert_key, row.upsert_value))
            stored = upsert_rows.get(key)
            if stored is not None:
                stored.pushed.append(row.data)
                if attempt != stored.attempt:
                    stored.others.add(attempt)
                self._to_merge[stored.row_id] = stored
                continue
            self._append([row], run, attempt, growth)
            row_id = self.rows[-1][0]
            self._new_upserts[row_id] = len(self.rows) - 1
            self.upserts.append((*key, row_id))
            upsert_rows[key] = StoredRow(row_id, attempt, row.data)

    def finish(self) -> None:
        """Merge the upserts, after the last batch."""
        for row_id, stored in self._to_merge.items():
            merged = merge(stored.data, *stored.pushed)
            self._growth(stored.attempt).bytes += len(merged) - len(stored.data)
            if stored.shared_bytes is not None or stored.others:
                self._share(stored, len(merged))
            index = self._new_upserts.get(row_id)
            if index is None:
                self.merged[row_id] = merged
            else:
                self.rows[index] = (row_id, stored.attempt, merged)

    def _share(self, stored: StoredRow, size: int) -> None:
        """Note that several attempts have upserted a row, which has so many bytes now."""
        growth = self._growth(stored.attempt)
        growth.shared_rows += stored.shared_bytes is None
        growth.shared_bytes += size - (stored.shared_bytes or 0)
        self.shares.append((stored.row_id, stored.attempt, size))
        for other in sorted(stored.others):
            self._growth(other).upserted += 1
            self.shares.append((stored.row_id, other, None))

    def _log(self, entries: list[NewLogEntry], run: RunCounters) -> None:
        start = first_key(run.number) + run.log_entries + 1
        self.log += [
            (
                key,
                entry.type,
                to_storable_text(entry.group),
                to_storable_text(entry.content),
                entry.timestamp,
            )
            for key, entry in enumerate(entries, start)
        ]
        run.log_entries += len(entries)

    def _growth(self, attempt: int) -> Growth:
        growth = self.growth.get(attempt)
        if growth is None:
            growth = self.growth[attempt] = Growth()
        return growth


def has_upserts(batch: AttemptBatch) -> bool:
    for row in batch.rows:  # noqa: SIM110 - most batches have one row, for which any() is slower
        if row.upsert_key:
            return True
    return False


def upsert_digests(batches: Iterable[tuple[AttemptBatch, RunCounters]]) -> dict[int, list[bytes]]:
    """Return the digests of the upserts by run number, without duplicates."""
    digests: dict[int, dict[bytes, None]] = {}
    for batch, run in batches:
        for row in batch.rows:
            if row.upsert_key:
                key = digest(row.upsert_key, row.upsert_value)
                digests.setdefault(run.number, {})[key] = None
    return {run: list(unique) for run, unique in digests.items()}


def check(batch: AttemptBatch) -> None:
    """Raise ``ValueError`` for an invalid log type or too many rows."""
    for entry in batch.log:
        if entry.type not in _TYPES:
            raise ValueError(
                f"log type must be 1 (debug), 2 (info), 3 (warn) or 4 (error), not {entry.type}"
            )
    if len(batch.rows) > LAST_POSITION:
        raise ValueError(f"a batch has at most {LAST_POSITION} rows, not {len(batch.rows)}")


def _header_json(batch: AttemptBatch) -> bytes:
    return msgspec.json.encode(
        [
            [
                to_storable_text(header.label),
                to_storable_text(header.key),
                to_storable_text(header.format),
            ]
            for header in batch.headers or ()
        ]
    )
