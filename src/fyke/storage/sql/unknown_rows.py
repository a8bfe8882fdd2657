"""Removes rows of attempts and runs that the state does not know from a restored pair of files.

Such a run starts again and pushes its rows again. Backups of this release contain no such rows;
those of 0.1.0, and files that were copied at different times, may. Rows in files (``sealed``) stay;
reads hide them.
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
        attempts = connection.execute(_UNKNOWN + _NOT_SEALED * has_files).fetchall()
        for number, run, _ in attempts:
            _remove_attempt(connection, number, run)
        for run in {run for _, run, _ in attempts}:
            _close_gaps(connection, run)
        runs = connection.execute(_UNKNOWN_RUNS).fetchall()
        for number, _ in runs:  # the first deletion of a run removes the rest
            connection.execute("UPDATE results_attempts SET closed = 1 WHERE run = ?", (number,))
            connection.execute("UPDATE results_runs SET run_id = NULL WHERE number = ?", (number,))
        connection.execute("COMMIT")
    removed = sum(count for *_, count in (*attempts, *runs))
    return RemovedRows(removed, sum(1 for *_, count in attempts if count), len(runs))


def _has(connection: sqlite3.Connection, schema: str, table: str) -> bool:
    query = f"SELECT 1 FROM {schema}.sqlite_master WHERE type = 'table' AND name = ?"  # noqa: S608
    return connection.execute(query, (table,)).fetchone() is not None


def _remove_attempt(connection: sqlite3.Connection, number: int, run: int) -> None:
    span = (first_key(run), key(run, LAST_POSITION), number)
    of_attempt = "FROM results_rows WHERE id > ? AND id <= ? AND attempt = ?"
    connection.execute(
        f"DELETE FROM results_upserts WHERE run = ? AND row_id IN (SELECT id {of_attempt})",  # noqa: S608
        (run, *span),
    )
    connection.execute(f"DELETE {of_attempt}", span)
    connection.execute("DELETE FROM results_headers WHERE attempt = ?", (number,))
    connection.execute("DELETE FROM results_attempts WHERE number = ?", (number,))


def _close_gaps(connection: sqlite3.Connection, run: int) -> None:
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
    connection.execute("UPDATE results_runs SET rows = ? WHERE number = ?", (len(ids), run))
