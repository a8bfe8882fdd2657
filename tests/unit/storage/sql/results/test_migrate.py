"""The tables that migrations make are the tables the code speaks of; and the way there."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.tables import VERSION_TABLE, metadata
from fyke.storage.sql.schema import SchemaTooNew


def tables(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {row[0] for row in rows}


def test_migrations_create_the_declared_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    migrate_results(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_folder_is_created_and_repeating_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "new" / "rows.db"
    for _ in range(2):
        migrate_results(f"sqlite:///{file}")
    assert VERSION_TABLE in tables(file)


def test_concurrent_migrations_migrate_once(tmp_path: Path) -> None:
    file = tmp_path / "rows.db"
    failures: list[BaseException] = []

    def migrate() -> None:
        try:
            migrate_results(f"sqlite:///{file}")
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert "results_rows" in tables(file)


def test_a_newer_database_is_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "rows.db"
    migrate_results(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = 'r9999'")
    with pytest.raises(SchemaTooNew, match="newer version of Fyke"):
        migrate_results(f"sqlite:///{file}")


def test_a_failed_migration_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables made before the failure are rolled back with everything else."""
    from alembic import op

    file = tmp_path / "rows.db"
    real = op.create_table

    def failing(name: str, *columns: object, **options: object) -> object:
        if name == "results_rows":
            raise RuntimeError("power cut")
        return real(name, *columns, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_table", failing)
        with pytest.raises(RuntimeError, match="power cut"):
            migrate_results(f"sqlite:///{file}")
    assert tables(file) <= {"sqlite_sequence"}
    migrate_results(f"sqlite:///{file}")
    assert "results_rows" in tables(file)
