"""Statements that go to psycopg directly, within the transaction of a connection of SQLAlchemy.

The layers of SQLAlchemy above the driver cost a process as much CPU time as psycopg and the way to
PostgreSQL. Errors are raised as those of SQLAlchemy. A lost connection is invalidated, and with it
all that its pool opened before, as SQLAlchemy does. Statements are in the style of psycopg.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Values = tuple[object, ...] | Mapping[str, object]


def postgres_execute(connection: Connection, statement: str, values: Values = ()) -> Any:
    """Execute a statement; return the cursor of psycopg."""
    return _execute(connection, _raw(connection).cursor(), statement, values)


def postgres_rows(connection: Connection, statement: str, values: Values) -> list[dict[str, Any]]:
    """The rows of a query by column name."""
    # psycopg is needed on PostgreSQL only
    from psycopg.rows import dict_row

    cursor = _raw(connection).cursor(row_factory=dict_row)
    rows: list[dict[str, Any]] = _execute(connection, cursor, statement, values).fetchall()
    return rows


def _raw(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _execute(connection: Connection, cursor: Any, statement: str, values: Values) -> Any:
    dbapi = connection.dialect.loaded_dbapi
    try:
        return cursor.execute(statement, values)
    except dbapi.Error as error:
        is_lost = bool(cursor.connection.closed)
        if is_lost:
            # A restart of the server breaks every connection of the pool, and a caller tries again
            # once. SQLAlchemy has no public call that has older ones replaced at their next use.
            connection.engine.pool._invalidate(connection.connection, error)
            connection.invalidate(error)
        parameters: Any = values
        raise DBAPIError.instance(
            statement,
            parameters,
            error,
            dbapi.Error,
            connection_invalidated=is_lost,
            dialect=connection.dialect,
        ) from error
