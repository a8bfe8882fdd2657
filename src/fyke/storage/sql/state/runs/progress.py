"""What Workers report of their progress, in columns of their attempts.

The row of an attempt is written each second anyway, and the index of active attempts finds those of
a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select, text

from fyke.model.progress import WorkerProgress
from fyke.storage.sql.dialects import driver_sql, is_sqlite, run_sql, to_storable_text
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.records import SqlStore
from fyke.storage.sql.state.runs.tables import attempts

_CHUNK = 500  # attempts of one statement
_COLUMNS = "progress_done", "progress_total", "progress_text"
_REPORTED = "(?, ?, ?, ?)"
# an array for each column, as for renewals
_REPORTS = "SELECT * FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::text[])"
# names of our own; the values are bound
_REPORT = (
    f"WITH reported (id, {', '.join(_COLUMNS)}) AS ({{}})"  # noqa: S608
    f" UPDATE attempts SET {', '.join(f'{name} = reported.{name}' for name in _COLUMNS)}"
    " FROM reported WHERE attempts.id = reported.id AND attempts.outcome IS NULL"
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
        rows = [
            (attempt_id, progress.done, progress.total, to_storable_text(progress.text))
            for attempt_id, progress in reports
        ]
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            values: tuple[Any, ...]
            if is_sqlite(self._db):
                source = f"VALUES {', '.join([_REPORTED] * len(part))}"
                values = tuple(value for row in part for value in row)
            else:
                source, values = _REPORTS, tuple(map(list, zip(*part, strict=True)))
            run_sql(self._db, _REPORT.format(source), values)

    def of_run(self, run_id: str) -> WorkerProgress | None:
        for row in _OF_RUN.rows(self._db, {"of_run": run_id}):
            found = WorkerProgress(*(row[name] for name in _COLUMNS))
            if found != _NOTHING:
                return found
        return None

    def parts(self, run_id: str) -> float:
        statement = driver_sql(self._db, _PARTS)
        return float(self._db.exec_driver_sql(statement, (run_id,)).scalar_one())
