"""The parts of a database's schema, in a form in which two databases can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine

_SQLITE = """
    SELECT m.name, m.type, CASE WHEN m.type = 'table' THEN '' ELSE m.sql END
    FROM sqlite_master m WHERE m.sql IS NOT NULL AND m.name NOT LIKE 'sqlite%'
"""
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
"""
_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
_TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal
"""
_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, collation_name, identity_generation,
        CASE WHEN starts_with(column_default, 'nextval') THEN 'serial' END
    FROM information_schema.columns WHERE table_schema = 'public'
"""


def shape(engine: Engine) -> set[tuple[Any, ...]]:
    """Columns, keys, references, indexes and triggers; without the order and the defaults of
    columns, on which no statement relies.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            return set(_of_sqlite(connection))
        queries = (_CONSTRAINTS, _INDEXES, _TRIGGERS, _COLUMNS)
        return {tuple(row) for query in queries for row in connection.exec_driver_sql(query)}


def _of_sqlite(connection: Connection) -> Iterable[tuple[Any, ...]]:
    for name, kind, sql in connection.exec_driver_sql(_SQLITE).all():
        yield kind, name, " ".join(sql.replace('"', "").split())
        if kind != "table":
            continue
        for row in connection.exec_driver_sql(f"PRAGMA table_info({name})"):
            yield name, "column", row.name, row.type, row.notnull, row.pk
        for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({name})"):
            yield name, "reference", row[3], row[2], row[4], row[6]
        for row in connection.exec_driver_sql(f"PRAGMA index_list({name})").all():
            columns = [
                column[2] for column in connection.exec_driver_sql(f"PRAGMA index_info({row[1]})")
            ]
            if row[3] != "c":  # of a key or a unique constraint
                yield name, "unique", row[3], *columns
