"""Databases from before release 0.1.0, made by the old migrations."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, Table, insert

from fyke.kit.assets import assets
from fyke.storage.sql.dialects import for_writing

CHAIN = assets() / "old-migrations"


def make_old(engine: Engine, revision: str = "head") -> None:
    """Create the tables as they were at a revision from before that release."""
    config = Config()
    config.set_main_option("script_location", str(CHAIN))
    config.set_main_option("path_separator", "os")
    with for_writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def add(connection: Connection, table_name: str, /, **values: object) -> None:
    """Add a row of which only ``values`` matter."""
    table = Table(table_name, MetaData(), autoload_with=connection)
    filled = {
        column.name: values.get(column.name, _nothing(column.type.python_type))
        for column in table.columns
        if column.name != "seq" and (column.name in values or not column.nullable)
    }
    connection.execute(insert(table).values(filled))


def _nothing(kind: type) -> object:
    return {bool: False, int: 0, float: 0.0}.get(kind, "")
