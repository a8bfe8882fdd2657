"""The last pages of attempts. Their files are blobs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Index, Table, delete, func, select

from fyke.model.last_page import LastPage
from fyke.storage.sql.dialects import insert_rows
from fyke.storage.sql.state.columns import metadata, number_column, ref_column, text_column
from fyke.storage.sql.state.records import SqlStore

run_last_pages = Table(
    "run_last_pages",
    metadata,
    text_column("attempt_id", key=True),
    ref_column("run_id", "runs.id", cascade=True),
    number_column("stored_at"),
    text_column("page"),  # JSON
    Index(None, "run_id", "attempt_id"),
    Index(None, "stored_at"),
)

_decode = msgspec.json.Decoder(LastPage).decode


class SqlLastPages(SqlStore):
    """Implements ``LastPageStore``."""

    def add(self, attempt_id: str, run_id: str, page: LastPage, now: int) -> None:
        row = (attempt_id, run_id, now, msgspec.json.encode(page).decode())
        insert_rows(
            self._db,
            run_last_pages,
            ("attempt_id", "run_id", "stored_at", "page"),
            [row],
            "ON CONFLICT (attempt_id) DO NOTHING",
        )

    def of_run(self, run_id: str) -> dict[str, LastPage]:
        query = select(run_last_pages.c.attempt_id, run_last_pages.c.page)
        found = self._db.execute(
            query.where(run_last_pages.c.run_id == run_id).order_by(run_last_pages.c.attempt_id)
        )
        return {row.attempt_id: _decode(row.page) for row in found}

    def count(self, run_id: str) -> int:
        query = select(func.count()).where(run_last_pages.c.run_id == run_id)
        return self._db.execute(query).scalar_one()

    def stored_before(self, before: int, limit: int) -> list[str]:
        query = select(run_last_pages.c.attempt_id).where(run_last_pages.c.stored_at < before)
        found = self._db.execute(query.order_by(run_last_pages.c.stored_at).limit(limit))
        return [row.attempt_id for row in found]

    def remove(self, attempt_ids: Sequence[str]) -> None:
        self._db.execute(delete(run_last_pages).where(run_last_pages.c.attempt_id.in_(attempt_ids)))
