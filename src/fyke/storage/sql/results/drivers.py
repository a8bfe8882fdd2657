"""One interface to the two database drivers, for statements on the hot path.

Statements are written with ``?`` for both; none has another question mark or a percent sign.
Connections come from an engine of ``dialects``, which configures them; each is then owned by one
thread. Errors of the drivers are translated:

* ``RetryWrite``: nothing was stored; the work can be retried, after ``Reconnect`` on a new
  connection.
* ``InDoubt``: the connection was lost while committing; see ``Driver.was_committed``.
* ``Unavailable``: disk full, I/O error, database down. Nothing was stored.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine

from fyke.errors import Unavailable

Params = Sequence[Any]
_WAL_BYTES_KEPT = 64 * 2**20
FREE_PAGES_KEPT = 4096  # for new rows; 16 MiB
_PAGES_RELEASED = 2000  # in one step, at most
_RELEASE_SECONDS = 0.02  # of one step; another page is released only before
_INCREMENTAL = 2  # ``PRAGMA auto_vacuum``
# Rows of one statement. Python's lock is released and taken again for each statement (of
# ``executemany``, for each row), and a thread that waits for it delays the event loop's next turn.
_ROWS_OF_INSERT = (128, 16, 4, 1)
_BYTES_OF_INSERT = 2**18  # of several rows; a statement keeps copies of them until its next use
# classes of SQLSTATE: a value that is not valid, a constraint, a limit of PostgreSQL
_CONTENT = ("22", "23", "54")
_CONTENT_ERRORS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    OverflowError,
    struct.error,
    ValueError,
)


class RetryWrite(Exception):
    """Nothing was stored; the work can be retried."""


class Reconnect(RetryWrite):
    """Nothing was stored; the work can be retried on a new connection."""


class NotCommitted(RetryWrite):
    """Nothing was stored, says the database, which was asked because that was in doubt."""


class InDoubt(Exception):
    """The connection was lost while committing. ``transaction`` is the server's id of it."""

    def __init__(self, transaction: str) -> None:
        super().__init__(transaction)
        self.transaction = transaction


class Driver(Protocol):
    """One connection, used by one thread."""

    for_update: str  # appended to a SELECT that locks its rows
    joined: str  # selects all ``data`` of a range of ids, in their order, with commas between them

    def like(self, column: str) -> str:
        """Return a ``LIKE`` condition with a ``?`` that ignores only the case of A to Z."""
        ...

    def begin(self) -> None: ...
    def query(self, sql: str, params: Params = ()) -> list[Any]: ...
    def query_within(self, size: int, sql: str, params: Params) -> list[Any]:
        """Like ``query``, but no rows when a value has more than ``size`` bytes, or when the
        database knows the size only after it has made the value.
        """
        ...

    def queries(self, *statements: tuple[str, Params]) -> list[list[Any]]:
        """Run several statements in order, on PostgreSQL in one round trip; return the rows of
        each, none for one that returns none.
        """
        ...

    def search(self, sql: str, params: Params) -> list[Any]:
        """Like ``query``, for one whose cost grows with the run. Not in the event loop."""
        ...

    def run(self, sql: str, params: Params = ()) -> int:
        """Return the number of changed rows."""
        ...

    def run_many(self, sql: str, params: Sequence[Params]) -> None: ...
    def insert(self, table: str, types: dict[str, str], rows: Sequence[Params]) -> None:
        """Insert rows; ``types`` maps column names to PostgreSQL types."""
        ...

    def uses_copy(self, count: int) -> bool:
        """Whether ``insert`` of ``count`` rows uses COPY, which is not possible
        inside ``batched``.
        """
        ...

    def batched(self) -> AbstractContextManager[None]:
        """Writing statements inside the context may share a round trip."""
        ...

    def request_transaction_id(self) -> None:
        """Request the id that ``was_committed`` needs if the commit ends in doubt."""
        ...

    def commit(self) -> None: ...
    def flush_commit(self) -> None:
        """Put this transaction on disk when it is committed, even if others are not."""
        ...

    def release_pages(self) -> bool:
        """Return free pages to the file system, in this transaction. True if it did and more can
        follow.
        """
        ...

    def rollback(self) -> None: ...
    def was_committed(self, transaction: str) -> bool | None:
        """Whether the transaction was committed; None while it is in progress."""
        ...

    def translate(self, error: BaseException) -> BaseException:
        """Translate an error of the driver; return all others unchanged."""
        ...

    def close(self) -> None: ...


class SqliteDriver:
    """sqlite3. A write transaction takes the lock of the database when it begins."""

    for_update = ""
    joined = "CAST(group_concat(data, ',') AS BLOB)"
    _flushes = False

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
        self._flushes = False
        self._connection.execute("BEGIN IMMEDIATE")

    def query(self, sql: str, params: Params = ()) -> list[Any]:
        return self._connection.execute(sql, params).fetchall()

    def query_within(self, size: int, sql: str, params: Params) -> list[Any]:
        usual = self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size)
        try:
            return self.query(sql, params)
        except sqlite3.DataError:
            return []
        finally:
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, usual)

    def queries(self, *statements: tuple[str, Params]) -> list[list[Any]]:
        return [self.query(sql, params) for sql, params in statements]

    def search(self, sql: str, params: Params) -> list[Any]:
        return self.query(sql, params)

    def run(self, sql: str, params: Params = ()) -> int:
        return self._connection.execute(sql, params).rowcount

    def run_many(self, sql: str, params: Sequence[Params]) -> None:
        self._connection.executemany(sql, params)

    def insert(self, table: str, types: dict[str, str], rows: Sequence[Params]) -> None:
        start = 0
        for count in _ROWS_OF_INSERT:
            statement = insert_statement(table, tuple(types), count)
            while len(rows) - start >= count:
                values = list(chain.from_iterable(rows[start : start + count]))
                if count > 1 and _bytes_of(values) > _BYTES_OF_INSERT:
                    break
                self._connection.execute(statement, values)
                start += count

    def uses_copy(self, count: int) -> bool:
        return False

    def batched(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def request_transaction_id(self) -> None:
        """Do nothing: with SQLite a commit that fails has not taken place."""

    def commit(self) -> None:
        self._connection.execute("COMMIT")
        if self._flushes:
            self._flush_wal()

    def flush_commit(self) -> None:
        self._flushes = True

    def _flush_wal(self) -> None:
        """What ``synchronous=FULL`` does after a commit; it cannot be set in a transaction."""
        [(file,)] = self.query("SELECT file FROM pragma_database_list WHERE name = 'main'")
        with Path(f"{file}-wal").open("rb") as wal:
            os.fsync(wal.fileno())

    def release_pages(self) -> bool:
        """Move the last pages of the file to free ones, except for ``FREE_PAGES_KEPT``. The file
        becomes smaller with the next checkpoint. A file without ``auto_vacuum`` stays as it is.
        """
        [(mode,)] = self.query("PRAGMA auto_vacuum")
        before = self._surplus_pages() if mode == _INCREMENTAL else 0
        if before <= 0:
            return False
        until = time.monotonic() + _RELEASE_SECONDS
        for _ in range(min(before, _PAGES_RELEASED)):
            # the sqlite3 module of Python 3.11 releases one page, however many are asked for
            self.query("PRAGMA incremental_vacuum(1)")
            if time.monotonic() >= until:
                break
        return 0 < self._surplus_pages() < before

    def _surplus_pages(self) -> int:
        [(free,)] = self.query("PRAGMA freelist_count")
        return int(free) - FREE_PAGES_KEPT

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def was_committed(self, transaction: str) -> bool | None:
        return False

    def translate(self, error: BaseException) -> BaseException:
        # OperationalError: full, I/O error, locked; DatabaseError itself: not a database, damaged
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            return Unavailable(f"The results store cannot be used: {error}")
        return error

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def _bytes_of(values: Sequence[Any]) -> int:
    return sum(len(value) for value in values if isinstance(value, bytes))


@cache
def insert_statement(table: str, columns: tuple[str, ...], count: int = 1) -> str:
    """Return an ``INSERT`` of ``count`` rows with a ``?`` for each value."""
    row = f"({', '.join('?' * len(columns))})"
    names, rows = ", ".join(columns), ", ".join([row] * count)
    return f"INSERT INTO {table} ({names}) VALUES {rows}"  # noqa: S608 - our own names


def is_of_content(error: BaseException) -> bool:
    """Whether the database or its driver would refuse the same rows or lines again. Anything else,
    such as a table that is being restored, may pass.
    """
    code: str | None = getattr(error, "sqlstate", None)
    if code is not None:
        return code.startswith(_CONTENT)
    return isinstance(error, _CONTENT_ERRORS)


def first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
