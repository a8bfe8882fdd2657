"""What the browsers of runs did, one row for each attempt that had one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from sqlalchemy import Index, Table, select, tuple_

from fyke.model.browser import BrowserReport, BrowserTexts
from fyke.model.run import Run
from fyke.storage.sql.dialects import insert_rows
from fyke.storage.sql.state.columns import metadata, ref_column, text_column
from fyke.storage.sql.state.records import SqlStore
from fyke.storage.sql.state.runs.tables import NOTHING, runs

run_browser = Table(
    "run_browser",
    metadata,
    text_column("attempt_id", key=True),
    ref_column("run_id", "runs.id", cascade=True),
    text_column("report"),  # JSON, without texts
    text_column("texts"),  # JSON, or empty
    Index(None, "run_id", "attempt_id"),
)

_decode_report = msgspec.json.Decoder(BrowserReport).decode
_decode_texts = msgspec.json.Decoder(BrowserTexts).decode
_NO_TEXTS = BrowserTexts()


class SqlBrowsers(SqlStore):
    """Implements ``BrowserStore``."""

    def report(self, reports: Sequence[tuple[str, str, BrowserReport]]) -> None:
        rows = [(*ids, *_columns(report)) for *ids, report in reports]
        insert_rows(
            self._db,
            run_browser,
            ("attempt_id", "run_id", "report", "texts"),
            sorted(rows),
            "ON CONFLICT (attempt_id) DO UPDATE"
            " SET report = excluded.report, texts = excluded.texts",
        )

    def of_run(self, run_id: str) -> dict[str, BrowserReport]:
        query = select(run_browser.c.attempt_id, run_browser.c.report)
        found = self._db.execute(
            query.where(run_browser.c.run_id == run_id).order_by(run_browser.c.attempt_id)
        )
        return {row.attempt_id: _decode_report(row.report) for row in found}

    def texts(self, run_id: str, attempts: int) -> dict[str, BrowserTexts]:
        query = select(run_browser.c.attempt_id, run_browser.c.texts).where(
            run_browser.c.run_id == run_id, run_browser.c.texts != ""
        )
        found = self._db.execute(query.order_by(run_browser.c.attempt_id.desc()).limit(attempts))
        return {row.attempt_id: _decode_texts(row.texts) for row in reversed(found.all())}

    def last_unblocked(self, run: Run, within: int) -> str:
        before = (
            select(runs.c.id, runs.c.version, runs.c.browser_block, runs.c.browser_ms)
            .where(runs.c.account_id == run.account_id, runs.c.worker_id == run.worker_id)
            .where(tuple_(runs.c.created_at, runs.c.id) < tuple_(run.created_at, run.id))
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(within)
            .subquery()
        )
        query = select(before.c.id).where(
            before.c.version == run.version,
            before.c.browser_block == NOTHING,
            before.c.browser_ms > 0,  # written when it ends
        )
        return self._db.execute(query.order_by(before.c.id.desc()).limit(1)).scalar() or ""


def _columns(report: BrowserReport) -> tuple[str, str]:
    texts = report.activity.texts
    numbers = replace(report, activity=report.activity.without_texts())
    return (
        msgspec.json.encode(numbers).decode(),
        "" if texts == _NO_TEXTS else msgspec.json.encode(texts).decode(),
    )
