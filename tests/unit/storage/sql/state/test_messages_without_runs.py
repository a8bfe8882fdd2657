"""SQLite copies the table of messages to relax a rule of it: no message and no try is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config

from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.schema import long_transaction
from fyke.storage.sql.state.schema import SCHEMA, migrate


def insert(database: sqlite3.Connection, table: str, **values: object) -> None:
    """Insert a row; columns that are not named are 0 or empty."""
    row = {
        name: 0 if kind == "BIGINT" else ""
        for _, name, kind, *_ in database.execute(f"PRAGMA table_info({table})")
    } | values
    marks = ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", [*row.values()])


def test_messages_and_their_tries_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    engine = make_engine(f"sqlite:///{file}", durable=True, pool_size=2)
    config = Config()
    config.set_main_option("script_location", str(SCHEMA.folder))
    config.set_main_option("path_separator", "os")
    try:
        with long_transaction(for_writing(engine)) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "s0044")
        with sqlite3.connect(file) as database:  # which checks no references
            insert(database, "runs", id="r1")
            insert(database, "deliveries", id="m1", run_id="r1", host="a.example", state="failed")
            insert(database, "delivery_tries", seq=7, delivery_id="m1", status=500)
            indexes = database.execute(
                "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'deliveries' AND sql > ''"
            )
            before = {name: sql for name, sql in indexes if name != "deliveries"}
        migrate(engine)
        with sqlite3.connect(file) as database:
            found = database.execute("SELECT id, run_id, host, state FROM deliveries").fetchall()
            assert found == [("m1", "r1", "a.example", "failed")]
            tries = database.execute("SELECT seq, delivery_id, status FROM delivery_tries")
            assert tries.fetchall() == [(7, "m1", 500)]
            indexes = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'deliveries'"
            )
            assert {name for (name,) in indexes} >= set(before)
            insert(database, "deliveries", id="m2", run_id=None)
    finally:
        engine.dispose()
