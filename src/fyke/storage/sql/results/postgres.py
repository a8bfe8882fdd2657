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
from fyke.storage.sql.results.drivers import InDoubt, Params, RetryWrite, insert_statement

_COPY_FROM = 8  # from this many rows on a COPY is quicker than pipelined INSERTs
# A server that crashes forgets numbers of transactions that it had not written, and gives them out
# again. Each of our commits updates an attempt, so a row with the number shows that it was ours.
_SETTLE = """
    SELECT pg_xact_status(%s::xid8),
           EXISTS (SELECT FROM results_attempts WHERE xmin = (%s::xid8)::xid)
"""


@cache
def _native(sql: str) -> Any:
    return sql.replace("?", "%s")


class PostgresDriver:
    """psycopg, with pipelines where answers are not needed at once."""

    for_update = " FOR UPDATE"

    def __init__(self, engine: Engine, *, writes: bool) -> None:
        owner = engine.raw_connection()
        owner.detach()
        connection = owner.dbapi_connection
        assert isinstance(connection, psycopg.Connection)  # noqa: S101 - for the type checker
        self._connection: psycopg.Connection[Any] = connection
        self._connection.rollback()
        self._connection.autocommit = not writes
        self._cursor: psycopg.Cursor[Any] = self._connection.cursor(binary=True)
        self._numbered: psycopg.Cursor[Any] | None = None

    def like(self, column: str) -> str:
        return f"{column} COLLATE \"C\" ILIKE ? ESCAPE '!'"

    def begin(self) -> None:
        """Psycopg begins with the first statement."""
        self._numbered = None

    def query(self, sql: str, params: Params = ()) -> list[Any]:
        return self._cursor.execute(_native(sql), params).fetchall()

    def queries(self, *asked: tuple[str, Params]) -> list[list[Any]]:
        with self._connection.pipeline():
            cursors = [
                self._connection.cursor(binary=True).execute(_native(sql), params)
                for sql, params in asked
            ]
        return [cursor.fetchall() for cursor in cursors]

    def run(self, sql: str, params: Params = ()) -> int:
        return self._connection.execute(_native(sql), params).rowcount

    def run_many(self, sql: str, params: Sequence[Params]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_native(sql), params)

    def insert(self, table: str, types: dict[str, str], rows: Sequence[Params]) -> None:
        if not self.in_bulk(len(rows)):
            self.run_many(insert_statement(table, types), rows)
            return
        statement: Any = f"COPY {table} ({', '.join(types)}) FROM STDIN (FORMAT BINARY)"
        with self._cursor.copy(statement) as copy:
            copy.set_types(list(types.values()))
            for row in rows:
                copy.write_row(row)

    def in_bulk(self, count: int) -> bool:
        return count >= _COPY_FROM

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        with self._connection.pipeline():
            yield

    def number_transaction(self) -> None:
        self._numbered = self._connection.execute("SELECT pg_current_xact_id()::text")

    def commit(self) -> None:
        number = self._numbered.fetchone() if self._numbered else None
        try:
            self._connection.commit()
        except psycopg.OperationalError as exc:
            if number is not None and self._connection.broken:
                raise InDoubt(str(number[0])) from exc
            raise

    def rollback(self) -> None:
        self._connection.rollback()

    def settle(self, transaction: str) -> bool | None:
        try:
            row = self._connection.execute(_SETTLE, (transaction, transaction)).fetchone()
        except errors.InvalidParameterValue:
            return False  # a number from the future: this server never saw it
        finally:
            with contextlib.suppress(psycopg.Error):
                self._connection.rollback()
        status, ours = row or (None, False)
        return None if status == "in progress" else status == "committed" and ours

    def translate(self, error: BaseException) -> BaseException:
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
            return RetryWrite()
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            if self._connection.closed:
                return RetryWrite()  # gone stale, or the server restarted: a fresh one will show
            return Unavailable(f"The results store cannot be used: {error}")
        return error

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.close()
