"""Opens connections of the results store with the driver of its database."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from fyke.errors import Unavailable
from fyke.storage.sql.dialects import is_sqlite
from fyke.storage.sql.results.drivers import Driver, SqliteDriver, first_line


def connect(engine: Engine, *, writes: bool) -> Driver:
    """Open a connection that is not pooled. Raise ``Unavailable``."""
    driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
    try:
        if is_sqlite(engine):
            return SqliteDriver(engine, writes=writes)
        # psycopg is needed on PostgreSQL only
        from fyke.storage.sql.results.postgres import PostgresDriver

        return PostgresDriver(engine, writes=writes)
    except (SQLAlchemyError, driver_error) as exc:
        raise Unavailable(f"The results store cannot be reached: {first_line(exc)}") from exc
