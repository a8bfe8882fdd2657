"""Implements ``contracts.InlineStorage`` on SQLite: one read-only connection of the event loop."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from fyke.contracts.inline import NotInline
from fyke.contracts.state import Transaction
from fyke.storage.sql.inline import InlineConnection
from fyke.storage.sql.state.runs.tables import runs
from fyke.storage.sql.state.transaction import SqlTransaction
from fyke.storage.sql.state.workers import workers

T = TypeVar("T")

# Columns without a bound that are not shown with a run. All others count, also future ones.
_NOT_SHOWN = frozenset(
    {runs.c.input_json, workers.c.description, workers.c.search_text, workers.c.icon}
)
_SHOWN = ", ".join(
    str(column) for table in (runs, workers) for column in table.c if column not in _NOT_SHOWN
)
_REVISION = (
    f"SELECT {_SHOWN} FROM runs JOIN workers ON workers.id = runs.worker_id WHERE runs.id = ?"  # noqa: S608
)
_DIGEST_BYTES = 16


class InlineState:
    """Runs the same ``work`` on the same stores as ``SqlStorage``."""

    def __init__(
        self, file: Path, *, hiding: frozenset[str], clock: Callable[[], int] | None = None
    ) -> None:
        self._inline = InlineConnection(file)
        engine = create_engine("sqlite://", creator=lambda: self._inline.raw, poolclass=StaticPool)
        # SQLAlchemy never ends this connection's transaction; ``snapshot`` does, in the driver
        self._connection = engine.connect()
        self._hiding = hiding
        self._clock = clock

    def version(self) -> int:
        return self._inline.version()

    def revision(self, run_id: str) -> bytes | None:
        row = self._inline.row(_REVISION, run_id)
        if row is None:
            return None
        return blake2b(msgspec.msgpack.encode(row), digest_size=_DIGEST_BYTES).digest()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        with self._inline.snapshot():
            return work(SqlTransaction(self._connection, hiding=self._hiding, clock=self._clock))

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        raise NotInline

    async def close(self) -> None:
        self._connection.close()
        self._inline.close()
