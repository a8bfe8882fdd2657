"""What Workers report of their progress, in columns of their attempts.

The row of an attempt is written each second anyway, and the index of active attempts finds those of
a run.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, text, update

from fyke.model.progress import WorkerProgress
from fyke.storage.sql.dialects import driver_sql
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.records import SqlStore
from fyke.storage.sql.state.runs.tables import attempts

_COLUMNS = "progress_done", "progress_total", "progress_text"
_REPORT = Prepared(
    update(attempts).where(attempts.c.id == bindparam("of_id"), text("outcome IS NULL")), *_COLUMNS
)
_OF_RUN = Prepared(
    select(*(attempts.c[name] for name in _COLUMNS)).where(
        attempts.c.run_id == bindparam("of_run"), text("outcome IS NULL")
    )
)
_PARTS = (
    "SELECT COALESCE(SUM(CASE WHEN progress_done >= progress_total THEN 1.0"
    " ELSE progress_done * 1.0 / progress_total END), 0.0)"
    " FROM attempts WHERE run_id = ? AND outcome IS NULL AND progress_total > 0"
)
_NOTHING = WorkerProgress()


class SqlProgress(SqlStore):
    """Implements ``ProgressStore``."""

    def report(self, reports: Sequence[tuple[str, WorkerProgress]]) -> None:
        _REPORT.run_many(
            self._db,
            [
                {
                    "of_id": attempt_id,
                    "progress_done": progress.done,
                    "progress_total": progress.total,
                    "progress_text": progress.text,
                }
                for attempt_id, progress in reports
            ],
        )

    def of_run(self, run_id: str) -> WorkerProgress | None:
        for row in _OF_RUN.rows(self._db, {"of_run": run_id}):
            found = WorkerProgress(*(row[name] for name in _COLUMNS))
            if found != _NOTHING:
                return found
        return None

    def parts(self, run_id: str) -> float:
        statement = driver_sql(self._db, _PARTS)
        return float(self._db.exec_driver_sql(statement, (run_id,)).scalar_one())
