"""The tables of the state or of the rows are missing from a PostgreSQL database. Missing files of
SQLite are tested in ``unit/app/test_lost_databases.py``.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import psycopg
import pytest

from fyke.app.lost_databases import accept_lost_rows
from fyke.app.maintenance import check, migrate
from fyke.app.prepare import prepare
from fyke.errors import Conflict
from fyke.settings import Settings
from fyke.storage.sql.results.tables import VERSION_TABLE as VERSION_OF_ROWS
from fyke.storage.sql.results.tables import metadata
from fyke.storage.sql.state.columns import VERSION_TABLE as VERSION_OF_STATE


def test_missing_tables_of_one_database_are_refused(postgres_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=postgres_url)
    prepare(settings, print)
    rows = ", ".join([VERSION_OF_ROWS, *metadata.tables])
    with contextlib.closing(
        psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True)
    ) as connection:
        connection.execute(f"DROP TABLE {rows}")
        for act in (lambda: prepare(settings, print), lambda: migrate(settings)):
            with pytest.raises(Conflict, match=r"tables of the rows .*missing.*accept-lost-rows"):
                act()
        assert "accept-lost-rows" in check(settings)[0]
        accept_lost_rows(settings)
        prepare(settings, print)
        assert check(settings) == []

        connection.execute(f"DROP TABLE {VERSION_OF_STATE}")
        with pytest.raises(Conflict, match=r"tables of the state .*missing.*pg_restore"):
            prepare(settings, print)
        assert "tables of the state" in check(settings)[0]
