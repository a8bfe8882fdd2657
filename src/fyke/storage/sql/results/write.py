"""The statements that write. Each function runs inside one transaction.

Lock order on PostgreSQL, where several runners share a run: the runs, by number, then attempts.
The lock of a run protects its positions and all its rows. A commit that opens attempts adds new
runs first, by id, and their attempts after the locks: opening an attempt may lock its row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from fyke.model.results import AttemptBatch
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.plan import CommitPlan, RunCounters, StoredRow, upsert_digests

_CHUNK = 500  # values in one IN clause

_ROWS = {"id": "int8", "attempt": "int8", "data": "bytea"}
_UPSERTS = {"run": "int8", "digest": "bytea", "row_id": "int8"}
_LOG = {"id": "int8", "type": "int2", "group_name": "text", "content": "text", "timestamp": "int8"}

_LOCK_RUNS = "SELECT number FROM results_runs WHERE run_id IN ({placeholders}) ORDER BY number"
_PUT_HEADERS = """
    INSERT INTO results_headers (attempt, data) VALUES (?, ?)
    ON CONFLICT (attempt) DO UPDATE SET data = excluded.data
"""
# an attempt that has upserted a row again, or the new size of the row
_PUT_SHARES = """
    INSERT INTO results_shares (id, attempt, bytes) VALUES (?, ?, ?)
    ON CONFLICT (id, attempt) DO UPDATE SET bytes = excluded.bytes WHERE excluded.bytes IS NOT NULL
"""
_COUNT_SHARES = """
    UPDATE results_attempts SET shared_rows = shared_rows + ?, shared_bytes = shared_bytes + ?,
        upserted = upserted + ?
    WHERE number = ?
"""
# The run of an attempt that was closed before it was opened may have been deleted since.
_OPEN_RUN = """
    INSERT INTO results_runs (run_id, rows, log_entries, sealed) SELECT ?, 0, 0, 0
    WHERE NOT EXISTS (SELECT 1 FROM results_attempts WHERE attempt_id = ? AND closed)
    ON CONFLICT (run_id) DO NOTHING
"""
# An attempt that was closed before it was opened stays closed, and now belongs to its run.
_OPEN_ATTEMPT = """
    INSERT INTO results_attempts (attempt_id, run, rows, bytes, closed, moved)
    SELECT ?, number, 0, 0, FALSE, 0 FROM results_runs WHERE run_id = ?
    ON CONFLICT (attempt_id) DO UPDATE SET run = excluded.run WHERE results_attempts.run IS NULL
"""
_CLOSE_ATTEMPT = """
    INSERT INTO results_attempts (attempt_id, run, rows, bytes, closed, moved)
    VALUES (?, NULL, 0, 0, TRUE, 0)
    ON CONFLICT (attempt_id) DO UPDATE SET closed = TRUE
    RETURNING rows
"""

_LOCK_RUN = "SELECT number FROM results_runs WHERE number = ?"
# from the upserts, of which most runs have none, and not from the rows; a row that others have
# upserted is shown because of them
_RELEASE_UPSERTS = """
    DELETE FROM results_upserts WHERE run = ? AND EXISTS (
        SELECT 1 FROM results_rows r WHERE r.id = results_upserts.row_id AND r.attempt = ?
    ) AND NOT EXISTS (SELECT 1 FROM results_shares s WHERE s.id = results_upserts.row_id)
"""

_TARGETS = """
    SELECT a.attempt_id, a.number, a.moved, a.closed, r.run_id,
        coalesce(r.number, 0), coalesce(r.rows, 0), coalesce(r.log_entries, 0)
    FROM results_attempts a LEFT JOIN results_runs r ON r.number = a.run
    WHERE a.attempt_id IN ({placeholders})
"""
# Attempts of deleted runs are removed without the lock of their run, so they must not be locked.
_NOT_DELETED = " AND r.run_id IS NOT NULL"

_Query = tuple[str, Sequence[Any]]


@dataclass(slots=True)
class _Target:
    """An attempt of which batches are stored or records moved. ``moved`` is the number of its last
    batch or record in the tables; ``run_id`` is None if its run is deleted.
    """

    number: int
    moved: int
    closed: bool
    run_id: str | None
    run: RunCounters

    def accepts(self, batch: AttemptBatch) -> bool:
        return not self.closed and self.run_id == batch.run_id


def placeholders(count: int) -> str:
    return ", ".join("?" * count)


def commit(
    driver: Driver,
    batches: Sequence[AttemptBatch],
    opening: Collection[str] = (),
    *,
    compares_numbers: bool = True,
) -> list[bool]:
    """See ``Results.commit``. Without ``compares_numbers`` every batch is new."""
    targets = _lock_targets(driver, batches, opening)
    answers: list[bool] = []
    to_store: list[tuple[AttemptBatch, _Target, int]] = []
    for batch in batches:
        target = targets.get(batch.attempt_id)
        if target is None or target.run_id != batch.run_id:
            answers.append(False)
            continue
        number = batch.number if compares_numbers else 0
        is_stored = 0 < number <= target.moved
        if not is_stored and not target.closed:
            growth = number - target.moved if number else 0
            to_store.append((batch, target, growth))
            target.moved += growth
        answers.append(is_stored or not target.closed)
    _store(driver, to_store)
    return answers


def move(driver: Driver, records: Sequence[JournalRecord]) -> list[bool]:
    """Store records of the journal, each once; return for each whether it is stored. Those of
    closed and unknown attempts are not, unless they were moved before.
    """
    targets = _targets(driver, {record.batch.attempt_id for record in records})
    answers: list[bool] = []
    plan = CommitPlan()
    for record in records:
        batch = record.batch
        target = targets.get(batch.attempt_id)
        if target is None:
            answers.append(False)
            continue
        is_stored = record.number <= target.moved
        is_open = target.accepts(batch)
        if is_open and not is_stored:
            growth = plan.add(batch, target.run, target.number, {})
            growth.moved += record.number - target.moved
            target.moved = record.number
        answers.append(is_stored or is_open)
    if plan.growth:
        plan.rows.sort()
        _apply(driver, plan)
    return answers


def _store(driver: Driver, to_store: Sequence[tuple[AttemptBatch, _Target, int]]) -> None:
    """Store batches of open attempts; each with by how much it makes ``moved`` grow."""
    if not to_store:
        return
    digests = upsert_digests((batch, target.run) for batch, target, _ in to_store)
    upsert_rows = _find_rows(driver, digests)
    plan = CommitPlan()
    for batch, target, moved in to_store:
        plan.add(batch, target.run, target.number, upsert_rows).moved += moved
    plan.finish()
    _apply(driver, plan)


def _targets(driver: Driver, attempt_ids: Iterable[str]) -> dict[str, _Target]:
    """Attempts by id; those that are unknown are missing."""
    queries = _target_queries(attempt_ids)
    return _found(driver.query(statement, chunk) for statement, chunk in queries)


def _lock_targets(
    driver: Driver, batches: Sequence[AttemptBatch], opening: Collection[str]
) -> dict[str, _Target]:
    """Attempts by id, which cannot be closed until the commit, and their runs, locked; those that
    are ``opening`` are opened before. On PostgreSQL those of deleted runs are missing.
    """
    suffix = ""
    # in one order, or two commits that open attempts of some of the same runs might wait for each
    # other
    pairs = sorted({(b.run_id, b.attempt_id) for b in batches if b.attempt_id in opening})
    first = [query for pair in pairs for query in _open_run_queries(*pair)]
    if driver.for_update:
        suffix = f"{_NOT_DELETED}{driver.for_update} OF a"
        run_ids = tuple({batch.run_id for batch in batches})
        lock_runs = _LOCK_RUNS.format(placeholders=placeholders(len(run_ids)))
        first.append((lock_runs + driver.for_update, run_ids))
    first += [_open_attempt_query(*pair) for pair in pairs]
    queries = _target_queries({batch.attempt_id for batch in batches}, suffix)
    return _found(driver.queries(*first, *queries)[len(first) :])


def _target_queries(attempt_ids: Iterable[str], suffix: str = "") -> list[_Query]:
    return [
        (_TARGETS.format(placeholders=placeholders(len(chunk))) + suffix, chunk)
        for chunk in chunks(attempt_ids)
    ]


def _found(results: Iterable[list[Any]]) -> dict[str, _Target]:
    """The attempts in the answers to ``_target_queries``. Those of one run share its counters."""
    targets: dict[str, _Target] = {}
    runs: dict[int, RunCounters] = {}
    for attempt_id, number, moved, closed, run_id, *counters in chain.from_iterable(results):
        run = RunCounters(*counters)
        run = runs.setdefault(run.number, run)
        targets[attempt_id] = _Target(number, moved, closed, run_id, run)
    return targets


def _find_rows(
    driver: Driver, digests_by_run: dict[int, list[bytes]]
) -> dict[tuple[int, bytes], StoredRow]:
    """Return the stored rows of the upserts, by run and digest."""
    stored: dict[tuple[int, bytes], StoredRow] = {}
    for run, digests in digests_by_run.items():
        for chunk in chunks(digests):
            for digest, row_id, attempt, data, shared_bytes in driver.query(
                "SELECT u.digest, r.id, r.attempt, r.data, "  # noqa: S608 - placeholders only
                "(SELECT s.bytes FROM results_shares s WHERE s.id = r.id AND s.attempt = r.attempt)"
                " FROM results_upserts u JOIN results_rows r ON r.id = u.row_id "
                f"WHERE u.run = ? AND u.digest IN ({placeholders(len(chunk))})",
                (run, *chunk),
            ):
                stored[run, digest] = StoredRow(row_id, attempt, data, shared_bytes)
    return stored


def _apply(driver: Driver, plan: CommitPlan) -> None:
    inserts: list[tuple[str, dict[str, str], Sequence[Any]]] = [
        ("results_rows", _ROWS, plan.rows),
        ("results_upserts", _UPSERTS, plan.upserts),
        ("results_log", _LOG, plan.log),
    ]
    for table, types, rows in inserts:
        if driver.uses_copy(len(rows)):
            driver.insert(table, types, rows)
    with driver.batched():
        for table, types, rows in inserts:
            if rows and not driver.uses_copy(len(rows)):
                driver.insert(table, types, rows)
        if plan.merged:
            driver.run_many(
                "UPDATE results_rows SET data = ? WHERE id = ?",
                [(data, row_id) for row_id, data in plan.merged.items()],
            )
        if plan.shares:
            driver.run_many(_PUT_SHARES, plan.shares)
            driver.run_many(
                _COUNT_SHARES,
                [
                    (g.shared_rows, g.shared_bytes, g.upserted, attempt)
                    for attempt, g in plan.growth.items()
                    if g.is_shared
                ],
            )
        if plan.headers:
            driver.run_many(_PUT_HEADERS, list(plan.headers.items()))
        driver.run_many(
            "UPDATE results_attempts SET rows = rows + ?, bytes = bytes + ?, moved = moved + ? "
            "WHERE number = ?",
            [(g.rows, g.bytes, g.moved, attempt) for attempt, g in plan.growth.items()],
        )
        driver.run_many(
            "UPDATE results_runs SET rows = ?, log_entries = ? WHERE number = ?",
            [(run.rows, run.log_entries, run.number) for run in plan.runs.values()],
        )
        driver.request_transaction_id()


def open_attempt(driver: Driver, run_id: str, attempt_id: str) -> None:
    """See ``Results.open_attempt``."""
    with driver.batched():
        for statement, values in _open_run_queries(run_id, attempt_id):
            driver.run(statement, values)
        driver.run(*_open_attempt_query(run_id, attempt_id))


def _open_run_queries(run_id: str, attempt_id: str) -> list[_Query]:
    if attempt_id == run_id:  # a late line of the platform does not bring a deleted run back
        return []
    return [(_OPEN_RUN, (run_id, attempt_id))]


def _open_attempt_query(run_id: str, attempt_id: str) -> _Query:
    return _OPEN_ATTEMPT, (attempt_id, run_id)


def last_moved(driver: Driver, run_id: str, attempt_id: str) -> int | None:
    """The number of the last record of the journal that was moved for an open attempt of this run;
    None if it is closed or unknown.
    """
    rows = driver.query(
        "SELECT a.moved FROM results_attempts a JOIN results_runs r ON r.number = a.run "
        "WHERE a.attempt_id = ? AND r.run_id = ? AND NOT a.closed",
        (attempt_id, run_id),
    )
    return int(rows[0][0]) if rows else None


def open_ids(driver: Driver, attempt_ids: Iterable[str]) -> set[str]:
    """Those of the attempts that are open."""
    found: set[str] = set()
    for chunk in chunks(attempt_ids):
        rows = driver.query(
            "SELECT attempt_id FROM results_attempts WHERE NOT closed "  # noqa: S608 - placeholders
            f"AND attempt_id IN ({placeholders(len(chunk))})",
            chunk,
        )
        found.update(attempt_id for (attempt_id,) in rows)
    return found


def store_id(driver: Driver) -> bytes:
    """The id by which the journal names these tables."""
    return bytes(driver.query("SELECT id FROM results_store")[0][0])


def close_attempt(driver: Driver, attempt_id: str) -> int:
    """See ``Results.close_attempt``. Waits for a commit that has locked the attempt."""
    return int(driver.query(_CLOSE_ATTEMPT, (attempt_id,))[0][0])


def release_upserts(driver: Driver, attempt_id: str) -> None:
    """See ``Results.release_upserts``."""
    found = driver.query(
        "SELECT run, number FROM results_attempts WHERE attempt_id = ?", (attempt_id,)
    )
    for run, number in found:
        driver.query(_LOCK_RUN + driver.for_update, (run,))
        driver.run(_RELEASE_UPSERTS, (run, number))


def chunks(values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(values)
    while chunk := tuple(islice(rest, _CHUNK)):
        yield chunk
