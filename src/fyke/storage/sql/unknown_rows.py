"""Removes rows of attempts and runs that the state does not know from a restored pair of files.

Such a run starts again and pushes its rows again. A row that a known attempt has upserted too
stays, and belongs to that one. Backups of this release contain no such rows; those of 0.1.0, and
files that were copied at different times, may. Rows in files (``sealed``) stay; reads hide them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from fyke.storage.sql.results.tables import LAST_POSITION, first_key, key

_UNKNOWN = (
    "SELECT a.number, a.run, a.rows FROM results_attempts a"
    " JOIN results_runs n ON n.number = a.run JOIN state.runs r ON r.id = n.run_id"
    " LEFT JOIN state.attempts s ON s.id = a.attempt_id WHERE s.id IS NULL"
)
_NOT_SEALED = " AND n.sealed = 0"
_UNKNOWN_RUNS = (
    "SELECT n.number, n.rows FROM results_runs n LEFT JOIN state.runs r ON r.id = n.run_id"
    " WHERE n.run_id IS NOT NULL AND r.id IS NULL"
)


@dataclass(frozen=True, slots=True)
class RemovedRows:
    """The number of removed rows, and of the attempts and runs that they belonged to."""

    rows: int = 0
    attempts: int = 0
    runs: int = 0


def remove_unknown_rows(state: Path, rows: Path) -> RemovedRows:
    """Remove rows of runs that ``state`` does not know. Neither file may be in use. Raises
    ``sqlite3.Error``.
    """
    with contextlib.closing(sqlite3.connect(rows, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS state", (str(state),))
        if not (_has(connection, "main", "results_attempts") and _has(connection, "state", "runs")):
            return RemovedRows()
        connection.execute("BEGIN IMMEDIATE")
        has_files = _has(connection, "main", "results_seals")
        has_shares = _has(connection, "main", "results_shares")
        attempts = connection.execute(_UNKNOWN + _NOT_SEALED * has_files).fetchall()
        removed = 0
        for number, run, _ in attempts:
            if has_shares:
                _hand_over(connection, number, run)
            removed += _remove_attempt(connection, number, run)
        for run in {run for _, run, _ in attempts}:
            _close_gaps(connection, run, has_shares)
            if has_shares:
                _count_shares(connection, run)
        runs = connection.execute(_UNKNOWN_RUNS).fetchall()
        for number, _ in runs:  # the first deletion of a run removes the rest
            connection.execute("UPDATE results_attempts SET closed = 1 WHERE run = ?", (number,))
            connection.execute("UPDATE results_runs SET run_id = NULL WHERE number = ?", (number,))
        connection.execute("COMMIT")
    removed += sum(count for *_, count in runs)
    return RemovedRows(removed, sum(1 for *_, count in attempts if count), len(runs))


def _has(connection: sqlite3.Connection, schema: str, table: str) -> bool:
    query = f"SELECT 1 FROM {schema}.sqlite_master WHERE type = 'table' AND name = ?"  # noqa: S608
    return connection.execute(query, (table,)).fetchone() is not None


def _hand_over(connection: sqlite3.Connection, number: int, run: int) -> None:
    """Let the rows of an attempt that others have upserted belong to the first of these."""
    span = first_key(run), key(run, LAST_POSITION)
    connection.execute(
        "DELETE FROM results_shares WHERE id > ? AND id <= ? AND attempt = ? AND bytes IS NULL",
        (*span, number),
    )
    shared = connection.execute(
        "SELECT o.id, o.bytes, min(s.attempt) FROM results_shares o"
        " JOIN results_shares s ON s.id = o.id AND s.attempt <> o.attempt"
        " WHERE o.id > ? AND o.id <= ? AND o.attempt = ? GROUP BY o.id, o.bytes",
        (*span, number),
    ).fetchall()
    connection.execute(
        "DELETE FROM results_shares WHERE id > ? AND id <= ? AND attempt = ?", (*span, number)
    )
    for row_id, size, heir in shared:
        connection.execute("UPDATE results_rows SET attempt = ? WHERE id = ?", (heir, row_id))
        connection.execute(
            "UPDATE results_shares SET bytes = ? WHERE id = ? AND attempt = ?", (size, row_id, heir)
        )
        connection.execute(
            "UPDATE results_attempts SET rows = rows + 1, bytes = bytes + ? WHERE number = ?",
            (size, heir),
        )


def _count_shares(connection: sqlite3.Connection, run: int) -> None:
    """Forget the records of rows with one attempt that is left, and count those of each attempt."""
    span = first_key(run), key(run, LAST_POSITION)
    connection.execute(
        "DELETE FROM results_shares WHERE id IN ("
        "SELECT id FROM results_shares WHERE id > ? AND id <= ? GROUP BY id HAVING count(*) = 1)",
        span,
    )
    columns = connection.execute("SELECT name FROM pragma_table_info('results_attempts')")
    if ("shared_rows",) not in columns.fetchall():
        return  # the migration counts them
    counts = connection.execute(
        "SELECT count(bytes), coalesce(sum(bytes), 0), count(*) - count(bytes), attempt"
        " FROM results_shares WHERE id > ? AND id <= ? GROUP BY attempt",
        span,
    ).fetchall()
    update = "UPDATE results_attempts SET shared_rows = ?, shared_bytes = ?, upserted = ?"
    connection.execute(f"{update} WHERE run = ?", (0, 0, 0, run))
    connection.executemany(f"{update} WHERE number = ?", counts)


def _remove_attempt(connection: sqlite3.Connection, number: int, run: int) -> int:
    """Remove an attempt and its rows; return how many."""
    span = (first_key(run), key(run, LAST_POSITION), number)
    of_attempt = "FROM results_rows WHERE id > ? AND id <= ? AND attempt = ?"
    connection.execute(
        f"DELETE FROM results_upserts WHERE run = ? AND row_id IN (SELECT id {of_attempt})",  # noqa: S608
        (run, *span),
    )
    removed = connection.execute(f"DELETE {of_attempt}", span).rowcount
    connection.execute("DELETE FROM results_headers WHERE attempt = ?", (number,))
    connection.execute("DELETE FROM results_attempts WHERE number = ?", (number,))
    return removed


def _close_gaps(connection: sqlite3.Connection, run: int, has_shares: bool) -> None:
    """Positions of a run have no gaps: a page at an offset is read by position."""
    query = "SELECT id FROM results_rows WHERE id > ? AND id <= ? ORDER BY id"
    ids = connection.execute(query, (first_key(run), key(run, LAST_POSITION))).fetchall()
    moves = [
        (key(run, position), row_id, run)
        for position, (row_id,) in enumerate(ids, 1)
        if row_id != key(run, position)
    ]  # in ascending order, so that each new id is free
    connection.executemany("UPDATE results_rows SET id = ? WHERE id = ?", [m[:2] for m in moves])
    connection.executemany(
        "UPDATE results_upserts SET row_id = ? WHERE row_id = ? AND run = ?", moves
    )
    if has_shares:
        connection.executemany(
            "UPDATE results_shares SET id = ? WHERE id = ?", [m[:2] for m in moves]
        )
    connection.execute("UPDATE results_runs SET rows = ? WHERE number = ?", (len(ids), run))
