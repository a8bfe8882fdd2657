"""Deleting a run without delaying other writers.

Deleting a million rows takes seconds. So the run is first marked as deleted, in one short
transaction that also closes its attempts, and then removed in small steps, each a transaction. If
the process dies in between, the next deletion finishes the work. The file with the rows of the run,
if it has one, is deleted first, so its space is free at once. Each step also releases the pages
that it has made free (``Driver.release_pages``): SQLite searches its list of free pages for each
page that it releases, so a long list would make that slow.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.tables import LAST_POSITION, first_key, key

FIRST_STEP = 1000
_TARGET_SECONDS = 0.02


@dataclass(slots=True)
class DeletedRun:
    """A run that is marked as deleted: the last positions of its rows and log lines, and the
    position up to which both are removed.
    """

    number: int
    rows: int
    log_entries: int
    removed: int = 0

    @property
    def empty(self) -> bool:
        return self.removed >= max(self.rows, self.log_entries)


def has_open_attempts(driver: Driver, run_id: str) -> bool:
    """Whether deleting the run closes an attempt that may be in the journal. Those of runs that
    have ended are closed; the one with the id of the run, for lines about it, is in no journal.
    """
    rows = driver.query(
        "SELECT 1 FROM results_attempts a JOIN results_runs r ON r.number = a.run "
        "WHERE r.run_id = ? AND a.attempt_id <> r.run_id AND NOT a.closed LIMIT 1",
        (run_id,),
    )
    return bool(rows)


def mark_deleted(driver: Driver, run_id: str) -> None:
    """Mark the run as deleted and close its attempts. Does nothing for an unknown run."""
    statement = "SELECT number, sealed FROM results_runs WHERE run_id = ?" + driver.for_update  # noqa: S608
    for number, sealed in driver.query(statement, (run_id,)):
        if sealed:
            driver.flush_commit()  # else a loss of power may bring it back without its file
        driver.run("UPDATE results_attempts SET closed = TRUE WHERE run = ?", (number,))
        driver.run("UPDATE results_runs SET run_id = NULL WHERE number = ?", (number,))


def deleted_runs(driver: Driver) -> list[DeletedRun]:
    """All runs marked as deleted, including those that an earlier deletion did not finish."""
    rows = driver.query(
        "SELECT number, rows, log_entries FROM results_runs WHERE run_id IS NULL ORDER BY number"
    )
    return [DeletedRun(*row) for row in rows]


def remove_step(driver: Driver, run: DeletedRun, step: int) -> None:
    """Remove the next ``step`` positions of rows and of log lines."""
    low = first_key(run.number) + run.removed
    high = low + step
    driver.run("DELETE FROM results_rows WHERE id > ? AND id <= ?", (low, high))
    driver.run("DELETE FROM results_shares WHERE id > ? AND id <= ?", (low, high))
    driver.run("DELETE FROM results_log WHERE id > ? AND id <= ?", (low, high))
    run.removed += step


def remove_rest(driver: Driver, run: DeletedRun, step: int) -> bool:
    """Remove up to ``step`` upsert records, and after the last of them all else. True when done."""
    count = driver.run(
        "DELETE FROM results_upserts WHERE run = ? AND digest IN "
        "(SELECT digest FROM results_upserts WHERE run = ? LIMIT ?)",
        (run.number, run.number, step),
    )
    if count == step:
        return False
    driver.run(
        "DELETE FROM results_headers WHERE attempt IN "
        "(SELECT number FROM results_attempts WHERE run = ?)",
        (run.number,),
    )
    driver.run("DELETE FROM results_attempts WHERE run = ?", (run.number,))
    driver.run(
        "DELETE FROM results_frames WHERE id > ? AND id <= ?",
        (key(run.number, 0), key(run.number, LAST_POSITION)),
    )
    driver.run("DELETE FROM results_seals WHERE run = ?", (run.number,))
    driver.run("DELETE FROM results_runs WHERE number = ?", (run.number,))
    return True


def next_step(step: int, seconds: float) -> int:
    """Return a step that should take ``_TARGET_SECONDS``, given that ``step`` took ``seconds``."""
    exact = step * _TARGET_SECONDS / max(seconds, 0.001)
    return int(min(max(exact, step / 4, 10), step * 2, 20_000))
