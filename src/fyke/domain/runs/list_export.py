"""Streams a list of runs as CSV for spreadsheets; text like a formula is guarded."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fyke.domain.runs.lists import RunRow
from fyke.kit.spreadsheets import csv_lines, escape_formula, exact_usd, iso_time

COLUMNS = (
    "run", "worker", "version", "task", "origin", "state", "outcome", "reason_code", "error",
    "parameters", "results", "usage_usd", "traffic_bytes", "created_at", "started_at",
    "finished_at",
    "duration_s",
)  # fmt: skip


async def runs_csv(
    pages: AsyncIterator[list[RunRow]], *, priced: bool = True
) -> AsyncIterator[bytes]:
    """A header, then a line for each run. Times are UTC in ISO 8601, empty when not reached yet.
    Without ``priced`` there is no column of the cost.
    """
    shown = [at for at, name in enumerate(COLUMNS) if priced or name != "usage_usd"]
    yield csv_lines([[COLUMNS[at] for at in shown]])
    async for rows in pages:
        table = [_cells(row) for row in rows]
        yield csv_lines([[cells[at] for at in shown] for cells in table])


def _cells(row: RunRow) -> list[str]:
    line = row.line
    return [
        line.id,
        escape_formula(row.worker.path if row.worker else line.worker_id),
        escape_formula(line.version),
        escape_formula(row.task_title or line.task_id),
        line.origin.value,
        row.shown_state.value,
        line.outcome.value if line.outcome else "",
        line.reason.code.value if line.reason else "",
        escape_formula(line.err_msg),
        escape_formula(row.summary),
        str(row.results),
        exact_usd(row.usage_micros),
        str(row.traffic_bytes),
        iso_time(line.created_at),
        iso_time(line.started_at),
        iso_time(line.finished_at),
        f"{row.duration_ms / 1000:.3f}",
    ]
