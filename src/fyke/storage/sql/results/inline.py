"""Reads rows in the event loop, see ``fyke.contracts.inline``; only on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine

from fyke.contracts.inline import NotInline
from fyke.storage.sql.inline import InlineConnection
from fyke.storage.sql.results.drivers import Driver, Params, SqliteDriver
from fyke.storage.sql.results.hidden import HiddenPositions
from fyke.storage.sql.results.known import KnownAttempts
from fyke.storage.sql.results.store import SqlResults

T = TypeVar("T")

MAX_READ_BYTES = 256 * 1024  # of one statement


class InlineRows(SqlResults):
    """The reads of ``SqlResults`` on one connection of the event loop. What was looked up, and the
    positions of hidden rows, are shared with the store that opens it.
    """

    def __init__(
        self, file: Path, engine: Engine, known: KnownAttempts | None, hidden: HiddenPositions
    ) -> None:
        super().__init__(engine)
        self._known = known
        self._hidden_positions = hidden
        self._connection = InlineConnection(file)
        self._driver = _InlineDriver(self._connection.raw)

    def version(self) -> int:
        return self._connection.version()

    async def close(self) -> None:
        self._connection.close()

    async def _read(self, work: Callable[[Driver], T]) -> T:
        with self._connection.snapshot():
            return work(self._driver)

    async def _write(self, work: Callable[[Driver], T]) -> T:
        raise NotInline


class _InlineDriver(SqliteDriver):
    """Stops reading when the rows of a statement are too large."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, params: Params = ()) -> list[Any]:
        rows, size = [], 0
        for row in self._connection.execute(sql, params):
            rows.append(row)
            size += sum(len(value) for value in row if isinstance(value, bytes | str))
            if size > MAX_READ_BYTES:
                raise NotInline
        return rows
