"""Implements ``contracts.InlineStorage`` on SQLite: one read-only connection of the event loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from fyke.contracts.inline import NotInline
from fyke.contracts.state import Transaction
from fyke.storage.sql.inline import InlineConnection
from fyke.storage.sql.state.transaction import SqlTransaction

T = TypeVar("T")


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

    async def read(self, work: Callable[[Transaction], T]) -> T:
        with self._inline.snapshot():
            return work(SqlTransaction(self._connection, hiding=self._hiding, clock=self._clock))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        raise NotInline

    async def close(self) -> None:
        self._connection.close()
        self._inline.close()
