"""The statements that write. Each function runs inside one transaction.

Lock order on PostgreSQL, where several runners share a run: the runs, by number, then attempts.
The lock of a run protects its positions and all its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fyke.model.results import AttemptBatch
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.plan import CommitPlan, RunCounters, StoredRow, upsert_digests

_CHUNK = 500  # values in one IN clause

_ROWS = {"id": "int8", "attempt": "int8", "data": "bytea"}
_UPSERTS = {"run": "int8", "digest": "bytea", "row_id": "int8"}
_LOG = {"id": "int8", "type": "int2", "group_name": "text", "content": "text", "timestamp": "int8"}

_OPEN_ATTEMPTS = """
    SELECT a.attempt_id, a.number, r.run_id, r.number, r.rows, r.log_entries
    FROM results_attempts a JOIN results_runs r ON r.number = a.run
    WHERE NOT a.closed AND a.attempt_id IN ({placeholders})
"""
_LOCK_RUNS = "SELECT number FROM results_runs WHERE run_id IN ({placeholders}) ORDER BY number"
_PUT_HEADERS = """
    INSERT INTO results_headers (attempt, data) VALUES (?, ?)
    ON CONFLICT (attempt) DO UPDATE SET data = excluded.data
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

_TARGETS = """
    SELECT a.attempt_id, a.number, a.moved, CASE WHEN a.closed THEN NULL ELSE r.run_id END,
        coalesce(r.number, 0), coalesce(r.rows, 0), coalesce(r.log_entries, 0)
    FROM results_attempts a LEFT JOIN results_runs r ON r.number = a.run
    WHERE a.attempt_id IN ({placeholders})
"""

OpenAttempt = tuple[int, RunCounters]  # its number, its run
_Query = tuple[str, Sequence[Any]]


@dataclass(slots=True)
class _Target:
    """An attempt of which records are moved. ``run_id`` is None if it is closed; ``moved`` is the
    number of its last record in the tables.
    """

    number: int
    moved: int
    run_id: str | None
    run: RunCounters


def placeholders(count: int) -> str:
    return ", ".join("?" * count)


def commit(driver: Driver, batches: Sequence[AttemptBatch]) -> list[bool]:
    """See ``Results.commit``."""
    open_attempts = _lock_open_attempts(driver, batches)
    accepted = [batch.attempt_id in open_attempts.get(batch.run_id, {}) for batch in batches]
    _store(driver, open_attempts, [b for b, a in zip(batches, accepted, strict=True) if a])
    return accepted


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
        is_open = target.run_id == batch.run_id
        if is_open and not is_stored:
            growth = plan.add(batch, target.run, target.number, {})
            growth.moved += record.number - target.moved
            target.moved = record.number
        answers.append(is_stored or is_open)
    if plan.growth:
        plan.rows.sort()
        _apply(driver, plan)
    return answers


def _targets(driver: Driver, attempt_ids: Iterable[str]) -> dict[str, _Target]:
    """The attempts to which records are to be moved, by id; those that are unknown are missing."""
    targets: dict[str, _Target] = {}
    runs: dict[int, RunCounters] = {}
    for chunk in chunks(attempt_ids):
        statement = _TARGETS.format(placeholders=placeholders(len(chunk)))
        for attempt_id, number, moved, run_id, *counters in driver.query(statement, chunk):
            run = RunCounters(*counters)
            targets[attempt_id] = _Target(number, moved, run_id, runs.setdefault(run.number, run))
    return targets


def _store(
    driver: Driver,
    open_attempts: dict[str, dict[str, OpenAttempt]],
    batches: Sequence[AttemptBatch],
) -> None:
    if not batches:
        return
    to_store = [(batch, *open_attempts[batch.run_id][batch.attempt_id]) for batch in batches]
    upsert_rows = _find_rows(driver, upsert_digests((batch, run) for batch, _, run in to_store))
    plan = CommitPlan()
    for batch, attempt, run in to_store:
        plan.add(batch, run, attempt, upsert_rows)
    plan.finish()
    _apply(driver, plan)


def _lock_open_attempts(
    driver: Driver, batches: Sequence[AttemptBatch]
) -> dict[str, dict[str, OpenAttempt]]:
    """Return the open attempts by run id and attempt id; they cannot be closed until the commit."""
    runs: dict[int, RunCounters] = {}
    open_attempts: dict[str, dict[str, OpenAttempt]] = {}
    locks, open_attempt_queries = _lock_and_attempt_queries(driver, batches)
    for result in driver.queries(*locks, *open_attempt_queries)[len(locks) :]:
        for attempt_id, attempt, run_id, number, rows, log_entries in result:
            run = runs.setdefault(number, RunCounters(number, rows, log_entries))
            open_attempts.setdefault(run_id, {})[attempt_id] = (attempt, run)
    return open_attempts


def _lock_and_attempt_queries(
    driver: Driver, batches: Sequence[AttemptBatch]
) -> tuple[list[_Query], list[_Query]]:
    """Return the queries that lock the runs (none on SQLite), and those for open attempts."""
    suffix = ""
    locks: list[_Query] = []
    if driver.for_update:
        suffix = f"{driver.for_update} OF a"
        run_ids = tuple({batch.run_id for batch in batches})
        lock_runs = _LOCK_RUNS.format(placeholders=placeholders(len(run_ids)))
        locks = [(lock_runs + driver.for_update, run_ids)]
    return locks, [
        (_OPEN_ATTEMPTS.format(placeholders=placeholders(len(attempt_ids))) + suffix, attempt_ids)
        for attempt_ids in chunks({batch.attempt_id for batch in batches})
    ]


def _find_rows(
    driver: Driver, digests_by_run: dict[int, list[bytes]]
) -> dict[tuple[int, bytes], StoredRow]:
    """Return the stored rows of the upserts, by run and digest."""
    stored: dict[tuple[int, bytes], StoredRow] = {}
    for run, digests in digests_by_run.items():
        for chunk in chunks(digests):
            for digest, row_id, attempt, data in driver.query(
                "SELECT u.digest, r.id, r.attempt, r.data FROM results_upserts u "  # noqa: S608
                f"JOIN results_rows r ON r.id = u.row_id "
                f"WHERE u.run = ? AND u.digest IN ({placeholders(len(chunk))})",
                (run, *chunk),
            ):
                stored[run, digest] = StoredRow(row_id, attempt, data)
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
    if attempt_id != run_id:  # a late line of the platform does not bring a deleted run back
        driver.run(_OPEN_RUN, (run_id, attempt_id))
    driver.run(_OPEN_ATTEMPT, (attempt_id, run_id))


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


def chunks(values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(values)
    while chunk := tuple(islice(rest, _CHUNK)):
        yield chunk
