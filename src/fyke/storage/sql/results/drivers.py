"""One small interface to the two database drivers, for statements on the hot path.

Statements are written once with ``?``; no statement has a question mark or percent sign
otherwise. Connections come from the engine of ``dialects``, which sets them up, and are then
owned by one thread. What a driver's error means for us is decided here as well:

* ``RetryWrite``: nothing was stored and the same work may simply be run again.
* ``InDoubt``: the connection was lost while committing; ``settle`` finds out what happened.
* ``Unavailable``: disk full, I/O error, database away. Nothing was stored.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Engine

from fyke.errors import Unavailable

Params = Sequence[Any]
_WAL_BYTES_KEPT = 64 * 2**20


class RetryWrite(Exception):
    """Nothing was stored; run the same work once more."""


class InDoubt(Exception):
    """Lost while committing. ``transaction`` is the server's number for it."""

    def __init__(self, transaction: str) -> None:
        super().__init__(transaction)
        self.transaction = transaction


class Driver(Protocol):
    """One connection, used by one thread."""

    for_update: str  # appended to a SELECT that must lock what it finds

    def like(self, column: str) -> str:
        """``LIKE`` with a ``?``, for which only A to Z are the same in both cases."""
        ...

    def begin(self) -> None: ...
    def query(self, sql: str, params: Params = ()) -> list[Any]: ...
    def queries(self, *asked: tuple[str, Params]) -> list[list[Any]]:
        """Several queries one after the other, in one round trip where there is any."""
        ...

    def run(self, sql: str, params: Params = ()) -> int:
        """Return the number of rows changed."""
        ...

    def run_many(self, sql: str, params: Sequence[Params]) -> None: ...
    def insert(self, table: str, types: dict[str, str], rows: Sequence[Params]) -> None:
        """Insert as fast as the database can; ``types`` is column name to PostgreSQL type."""
        ...

    def in_bulk(self, count: int) -> bool:
        """Whether ``insert`` of so many rows must stay outside of ``together``."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Statements that write, without an answer, may share a round trip inside."""
        ...

    def number_transaction(self) -> None:
        """Ask for what ``settle`` needs, should the commit end in doubt."""
        ...

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def settle(self, transaction: str) -> bool | None:
        """Whether that transaction was committed; None while it is still under way."""
        ...

    def translate(self, error: BaseException) -> BaseException:
        """What an error of the driver means for us."""
        ...

    def close(self) -> None: ...


class SqliteDriver:
    """SQLite: one writer at a time by the database's own lock, taken at once."""

    for_update = ""

    def __init__(self, engine: Engine, *, writes: bool) -> None:
        owner = engine.raw_connection()
        owner.detach()
        connection = owner.dbapi_connection
        assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - for the type checker
        self._connection: sqlite3.Connection = connection
        if writes:
            connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES_KEPT}")
        else:
            connection.execute("PRAGMA query_only=ON")

    def like(self, column: str) -> str:
        return f"{column} LIKE ? ESCAPE '!'"

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def query(self, sql: str, params: Params = ()) -> list[Any]:
        return self._connection.execute(sql, params).fetchall()

    def queries(self, *asked: tuple[str, Params]) -> list[list[Any]]:
        return [self.query(sql, params) for sql, params in asked]

    def run(self, sql: str, params: Params = ()) -> int:
        return self._connection.execute(sql, params).rowcount

    def run_many(self, sql: str, params: Sequence[Params]) -> None:
        self._connection.executemany(sql, params)

    def insert(self, table: str, types: dict[str, str], rows: Sequence[Params]) -> None:
        self._connection.executemany(insert_statement(table, types), rows)

    def in_bulk(self, count: int) -> bool:
        return False

    def together(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def number_transaction(self) -> None:
        """Nothing to ask: a commit that fails here has not taken place."""

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def settle(self, transaction: str) -> bool | None:
        return False

    def translate(self, error: BaseException) -> BaseException:
        # OperationalError: full, I/O error, locked. Plain DatabaseError: not a database, damaged.
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            return Unavailable(f"The results store cannot be used: {error}")
        return error

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def insert_statement(table: str, types: dict[str, str]) -> str:
    """``INSERT`` with a ``?`` for each column. Names are ours, never a user's."""
    columns, marks = ", ".join(types), ", ".join("?" * len(types))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our own names


def first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
