"""The driver for reads of rows in the event loop, see ``fyke.storage.sql.inline``."""

from __future__ import annotations

import sqlite3
from typing import Any

from fyke.contracts.inline import NotInline
from fyke.storage.sql.results.drivers import Params, SqliteDriver

MAX_READ_BYTES = 256 * 1024  # of one statement


class InlineDriver(SqliteDriver):
    """Raises ``NotInline`` when the rows of a statement are too large, or it may take long."""

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

    def search(self, sql: str, params: Params) -> list[Any]:
        raise NotInline
