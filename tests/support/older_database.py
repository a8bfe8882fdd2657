"""Databases as they were before release 0.1.0, made by the old migrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, Table, insert

from fyke.kit.assets import assets
from fyke.storage.sql.dialects import for_writing, make_engine, sqlite_file, sqlite_url

CHAIN = assets() / "old-migrations"


def make_old(engine: Engine, revision: str = "head") -> None:
    """Create the tables of a revision from before that release."""
    file = sqlite_file(engine)
    if file is None or file.exists():
        _upgrade(engine, revision)
    else:
        file.write_bytes(_old_file(revision))


@cache
def _old_file(revision: str) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "state.db"
        engine = make_engine(sqlite_url(file), durable=False, pool_size=1)
        _upgrade(engine, revision)
        engine.dispose()
        return file.read_bytes()


def _upgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(CHAIN))
    config.set_main_option("path_separator", "os")
    with for_writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def add(connection: Connection, table_name: str, /, **values: object) -> None:
    """Add a row with these values; the other columns get an empty value."""
    table = Table(table_name, MetaData(), autoload_with=connection)
    filled = {
        column.name: values.get(column.name, _nothing(column.type.python_type))
        for column in table.columns
        if column.name != "seq" and (column.name in values or not column.nullable)
    }
    connection.execute(insert(table).values(filled))


def _nothing(kind: type) -> object:
    return {bool: False, int: 0, float: 0.0}.get(kind, "")
