"""The PostgreSQL driver of the results store; loaded only where PostgreSQL is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Engine

from fyke.errors import Unavailable
from fyke.storage.deadlines import BATCH, PAGE
from fyke.storage.postgres import TimedConnection
from fyke.storage.sql.results.drivers import (
    InDoubt,
    Params,
    Reconnect,
    RetryWrite,
    insert_statement,
)

_TOO_LARGE = "54"  # the class of a value or a statement above a limit of PostgreSQL
# the server has ended the session, because a transaction was idle for too long
_SESSION_ENDED = ("25P03", "25P04")
_COPY_FROM = 8  # from this many rows on, COPY is faster than pipelined INSERTs
# A server that crashes may reuse ids of transactions that were not written. Each of our commits
# updates an attempt, so a row with the id as its xmin shows that the committed one was ours.
_WAS_COMMITTED = """
    SELECT pg_xact_status(%s::xid8),
           EXISTS (SELECT FROM results_attempts WHERE xmin = (%s::xid8)::xid)
"""


@cache
def _native(sql: str) -> Any:
    return sql.replace("?", "%s")


class PostgresDriver:
    """psycopg, with pipelines where results are not needed at once."""

    for_update = " FOR UPDATE"
    joined = "string_agg(data, ',' ORDER BY id)"

    def __init__(self, engine: Engine, *, writes: bool) -> None:
        self._writes: bool = writes
        owner = engine.raw_connection()
        owner.detach()
        connection = owner.dbapi_connection
        assert isinstance(connection, TimedConnection)  # noqa: S101 - for the type checker
        self._connection: TimedConnection = connection
        self._connection.rollback()
        self._connection.autocommit = True
        self._connection.set_deadline(BATCH if writes else PAGE)
        self._connection.autocommit = not writes
        self._cursor: psycopg.Cursor[Any] = self._connection.cursor(binary=True)
        self._transaction_id: psycopg.Cursor[Any] | None = None

    def like(self, column: str) -> str:
        return f"{column} COLLATE \"C\" ILIKE ? ESCAPE '!'"

    def begin(self) -> None:
        """Psycopg begins a transaction with the first statement."""
        self._transaction_id = None

    def query(self, sql: str, params: Params = ()) -> list[Any]:
        return self._cursor.execute(_native(sql), params).fetchall()

    def query_within(self, size: int, sql: str, params: Params) -> list[Any]:
        return []

    def queries(self, *statements: tuple[str, Params]) -> list[list[Any]]:
        with self._connection.pipeline():
            cursors = [
                self._connection.cursor(binary=True).execute(_native(sql), params)
                for sql, params in statements
            ]
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

    def search(self, sql: str, params: Params) -> list[Any]:
        return self.query(sql, params)

    def run(self, sql: str, params: Params = ()) -> int:
        return self._connection.execute(_native(sql), params).rowcount

    def run_many(self, sql: str, params: Sequence[Params]) -> None:
        with self._connection.pipeline(), self._connection.cursor() as cursor:
            cursor.executemany(_native(sql), params)

    def insert(self, table: str, types: dict[str, str], rows: Sequence[Params]) -> None:
        if not self.uses_copy(len(rows)):
            self.run_many(insert_statement(table, tuple(types)), rows)
            return
        statement: Any = f"COPY {table} ({', '.join(types)}) FROM STDIN (FORMAT BINARY)"
        with self._cursor.copy(statement) as copy:
            copy.set_types(list(types.values()))
            for row in rows:
                copy.write_row(row)

    def uses_copy(self, count: int) -> bool:
        return count >= _COPY_FROM

    @contextlib.contextmanager
    def batched(self) -> Iterator[None]:
        with self._connection.pipeline():
            yield

    def request_transaction_id(self) -> None:
        self._transaction_id = self._connection.execute("SELECT pg_current_xact_id()::text")

    def commit(self) -> None:
        row = self._transaction_id.fetchone() if self._transaction_id else None
        try:
            self._connection.commit()
        except psycopg.OperationalError as exc:
            if row is not None and self._connection.broken:
                raise InDoubt(str(row[0])) from exc
            raise

    def flush_commit(self) -> None:
        self.query(
            "SELECT set_config('synchronous_commit', 'on', TRUE)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )

    def release_pages(self) -> bool:
        return False  # autovacuum of the server makes room for new rows

    def rollback(self) -> None:
        self._connection.rollback()

    def was_committed(self, transaction: str) -> bool | None:
        try:
            row = self._connection.execute(_WAS_COMMITTED, (transaction, transaction)).fetchone()
        except errors.InvalidParameterValue:
            return False  # an id that this server has not assigned
        finally:
            with contextlib.suppress(psycopg.Error):
                self._connection.rollback()
        status, is_ours = row or (None, False)
        return None if status == "in progress" else status == "committed" and is_ours

    def translate(self, error: BaseException) -> BaseException:
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
            return RetryWrite()
        if isinstance(error, psycopg.Error):
            if error.sqlstate in _SESSION_ENDED:
                return Reconnect()
            if self._connection.closed:
                return RetryWrite()  # stale, or the server restarted; a new connection may work
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            if self._writes and (error.sqlstate or "").startswith(_TOO_LARGE):
                return error  # it would be too large the next time as well
            return Unavailable(f"The results store cannot be used: {error}")
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return Reconnect()  # the setting is that of the session
        if isinstance(error, psycopg.DataError) and error.sqlstate is None:
            return ValueError(str(error))  # the client cannot encode a value
        return error

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.close()
