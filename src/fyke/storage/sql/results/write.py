"""The statements that write. Each function is the inside of one transaction.

Order of locks on PostgreSQL, where several runners share a run: first the runs, by number, then
attempts. With a run's row locked, its positions may be given out and any of its rows changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from fyke.model.results import AttemptBatch
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.plan import CommitPlan, RowState, StoredRow, upsert_marks

_ASK_AT_ONCE = 500

_ROWS = {"id": "int8", "attempt": "int8", "data": "bytea"}
_UPSERTS = {"run": "int8", "digest": "bytea", "row_id": "int8"}
_LOG = {"id": "int8", "type": "int2", "group_name": "text", "content": "text", "timestamp": "int8"}

_FENCE = """
    SELECT a.attempt_id, a.number, r.run_id, r.number, r.rows, r.log_entries
    FROM results_attempts a JOIN results_runs r ON r.number = a.run
    WHERE NOT a.closed AND a.attempt_id IN ({marks})
"""
_LOCK_RUNS = "SELECT number FROM results_runs WHERE run_id IN ({marks}) ORDER BY number"
_PUT_HEADERS = """
    INSERT INTO results_headers (attempt, data) VALUES (?, ?)
    ON CONFLICT (attempt) DO UPDATE SET data = excluded.data
"""
_OPEN_RUN = """
    INSERT INTO results_runs (run_id, rows, log_entries) VALUES (?, 0, 0)
    ON CONFLICT (run_id) DO NOTHING
"""
# An attempt that was closed before it was opened stays closed, and now belongs to its run.
_OPEN_ATTEMPT = """
    INSERT INTO results_attempts (attempt_id, run, rows, bytes, closed)
    SELECT ?, number, 0, 0, FALSE FROM results_runs WHERE run_id = ?
    ON CONFLICT (attempt_id) DO UPDATE SET run = excluded.run WHERE results_attempts.run IS NULL
"""
_CLOSE_ATTEMPT = """
    INSERT INTO results_attempts (attempt_id, run, rows, bytes, closed)
    VALUES (?, NULL, 0, 0, TRUE)
    ON CONFLICT (attempt_id) DO UPDATE SET closed = TRUE
    RETURNING rows
"""

Admission = tuple[int, RowState]  # the attempt's number, its run
_Query = tuple[str, Sequence[Any]]


def marks(count: int) -> str:
    return ", ".join("?" * count)


def commit(driver: Driver, batches: Sequence[AttemptBatch]) -> list[bool]:
    """See ``Results.commit``."""
    admitted = _admit(driver, batches)
    answers = [batch.attempt_id in admitted.get(batch.run_id, {}) for batch in batches]
    taken = [
        (batch, *admitted[batch.run_id][batch.attempt_id])
        for batch, answer in zip(batches, answers, strict=True)
        if answer
    ]
    if not taken:
        return answers
    known = _find(driver, upsert_marks((batch, run) for batch, _, run in taken))
    plan = CommitPlan()
    for batch, attempt, run in taken:
        plan.add(batch, run, attempt, known)
    _apply(driver, plan)
    return answers


def _admit(driver: Driver, batches: Sequence[AttemptBatch]) -> dict[str, dict[str, Admission]]:
    """The fence: run id to its open attempts, locked against being closed until the commit."""
    runs: dict[int, RowState] = {}
    admitted: dict[str, dict[str, Admission]] = {}
    locks, fences = _fence_queries(driver, batches)
    for found in driver.queries(*locks, *fences)[len(locks) :]:
        for attempt_id, attempt, run_id, number, rows, log_entries in found:
            run = runs.setdefault(number, RowState(number, rows, log_entries))
            admitted.setdefault(run_id, {})[attempt_id] = (attempt, run)
    return admitted


def _fence_queries(
    driver: Driver, batches: Sequence[AttemptBatch]
) -> tuple[list[_Query], list[_Query]]:
    """First what locks the runs, where locks are needed; then what asks for open attempts."""
    suffix = ""
    locks: list[_Query] = []
    if driver.for_update:
        suffix = f"{driver.for_update} OF a"
        run_ids = tuple({batch.run_id for batch in batches})
        locks = [(_LOCK_RUNS.format(marks=marks(len(run_ids))) + driver.for_update, run_ids)]
    return locks, [
        (_FENCE.format(marks=marks(len(attempt_ids))) + suffix, attempt_ids)
        for attempt_ids in _chunks({batch.attempt_id for batch in batches})
    ]


def _find(driver: Driver, wanted: dict[int, list[bytes]]) -> dict[tuple[int, bytes], StoredRow]:
    """The stored rows that carry the upsert marks."""
    found: dict[tuple[int, bytes], StoredRow] = {}
    for run, digests in wanted.items():
        for chunk in _chunks(digests):
            for mark, row_id, attempt, data in driver.query(
                "SELECT u.digest, r.id, r.attempt, r.data FROM results_upserts u "  # noqa: S608
                f"JOIN results_rows r ON r.id = u.row_id "
                f"WHERE u.run = ? AND u.digest IN ({marks(len(chunk))})",
                (run, *chunk),
            ):
                found[run, mark] = StoredRow(row_id, attempt, data)
    return found


def _apply(driver: Driver, plan: CommitPlan) -> None:
    inserts: list[tuple[str, dict[str, str], Sequence[Any]]] = [
        ("results_rows", _ROWS, plan.rows),
        ("results_upserts", _UPSERTS, plan.upserts),
        ("results_log", _LOG, plan.log),
    ]
    for table, types, rows in inserts:
        if driver.in_bulk(len(rows)):
            driver.insert(table, types, rows)
    with driver.together():
        for table, types, rows in inserts:
            if rows and not driver.in_bulk(len(rows)):
                driver.insert(table, types, rows)
        if plan.merged:
            driver.run_many(
                "UPDATE results_rows SET data = ? WHERE id = ?",
                [(data, row_id) for row_id, data in plan.merged.items()],
            )
        if plan.headers:
            driver.run_many(_PUT_HEADERS, list(plan.headers.items()))
        driver.run_many(
            "UPDATE results_attempts SET rows = rows + ?, bytes = bytes + ? WHERE number = ?",
            [(grown.rows, grown.bytes, attempt) for attempt, grown in plan.growth.items()],
        )
        driver.run_many(
            "UPDATE results_runs SET rows = ?, log_entries = ? WHERE number = ?",
            [(run.rows, run.log_entries, run.number) for run in plan.runs.values()],
        )
        driver.number_transaction()


def open_attempt(driver: Driver, run_id: str, attempt_id: str) -> None:
    """See ``Results.open_attempt``."""
    driver.run(_OPEN_RUN, (run_id,))
    driver.run(_OPEN_ATTEMPT, (attempt_id, run_id))


def close_attempt(driver: Driver, attempt_id: str) -> int:
    """See ``Results.close_attempt``. Waits for a commit that has the attempt locked."""
    return int(driver.query(_CLOSE_ATTEMPT, (attempt_id,))[0][0])


def _chunks(values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(values)
    while chunk := tuple(islice(rest, _ASK_AT_ONCE)):
        yield chunk
