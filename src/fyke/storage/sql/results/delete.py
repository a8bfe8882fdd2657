"""Removing a run without delaying other writers.

A run of a million rows takes seconds to delete. So it is first put out of sight, in one short
transaction that also closes its attempts; what is left has no owner and goes in small
steps, each a transaction of its own. When the process dies in between, the next deletion
finishes the work.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.tables import first_key

FIRST_STEP = 1000
_TARGET_SECONDS = 0.02


@dataclass(slots=True)
class HiddenRun:
    """A run out of sight: how far its rows and log lines reach, and how many are gone."""

    number: int
    rows: int
    log_entries: int
    gone: int = 0

    @property
    def empty(self) -> bool:
        return self.gone >= max(self.rows, self.log_entries)


def hide(driver: Driver, run_id: str) -> None:
    """Put the run out of sight and close its attempts. Unknown runs are fine."""
    statement = "SELECT number FROM results_runs WHERE run_id = ?" + driver.for_update  # noqa: S608
    found = driver.query(statement, (run_id,))
    for (number,) in found:
        driver.run("UPDATE results_attempts SET closed = TRUE WHERE run = ?", (number,))
        driver.run("UPDATE results_runs SET run_id = NULL WHERE number = ?", (number,))


def hidden_runs(driver: Driver) -> list[HiddenRun]:
    """All runs out of sight, including those an earlier deletion did not finish."""
    found = driver.query(
        "SELECT number, rows, log_entries FROM results_runs WHERE run_id IS NULL ORDER BY number"
    )
    return [HiddenRun(*row) for row in found]


def remove_step(driver: Driver, left: HiddenRun, step: int) -> None:
    """Remove the next ``step`` positions of rows and of log lines."""
    low = first_key(left.number) + left.gone
    high = low + step
    driver.run("DELETE FROM results_rows WHERE id > ? AND id <= ?", (low, high))
    driver.run("DELETE FROM results_log WHERE id > ? AND id <= ?", (low, high))
    left.gone += step


def remove_rest(driver: Driver, left: HiddenRun, step: int) -> bool:
    """Remove up to ``step`` upsert marks; with the last of them, all else. True when done."""
    removed = driver.run(
        "DELETE FROM results_upserts WHERE run = ? AND digest IN "
        "(SELECT digest FROM results_upserts WHERE run = ? LIMIT ?)",
        (left.number, left.number, step),
    )
    if removed == step:
        return False
    driver.run(
        "DELETE FROM results_headers WHERE attempt IN "
        "(SELECT number FROM results_attempts WHERE run = ?)",
        (left.number,),
    )
    driver.run("DELETE FROM results_attempts WHERE run = ?", (left.number,))
    driver.run("DELETE FROM results_runs WHERE number = ?", (left.number,))
    return True


def next_step(step: int, seconds: float) -> int:
    """A step that takes about a fiftieth of a second, whatever the size of the rows."""
    wanted = step * _TARGET_SECONDS / max(seconds, 0.001)
    return int(min(max(wanted, step / 4, 10), step * 2, 20_000))
