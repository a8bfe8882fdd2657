"""Maintenance of an installation: versions, checks and copies of its tables."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fyke.storage.sql.results
import fyke.storage.sql.state
from fyke.settings import Settings

STATE, ROWS = "state.db", "rows.db"


@dataclass(frozen=True, slots=True)
class Tables:
    """Versions of both sets of tables; ``""`` for tables that do not exist yet."""

    state: str
    rows: str


def schema_heads() -> tuple[str, str]:
    """The newest versions of the tables that this program knows: of the state, of the rows."""
    return (
        _newest(Path(fyke.storage.sql.state.__file__).parent),
        _newest(Path(fyke.storage.sql.results.__file__).parent),
    )


def _newest(package: Path) -> str:
    scripts = (package / "migrations" / "versions").glob("*_*.py")
    return max(script.name.partition("_")[0] for script in scripts)


def migrate(settings: Settings) -> Tables:
    """Migrate all tables and return their versions. Raises ``FykeError``."""
    from fyke.app.state import migrate_all

    migrate_all(settings)
    return versions(settings)


def versions(settings: Settings) -> Tables:
    """The versions of the tables. Changes nothing; raises ``Unavailable``."""
    from sqlalchemy.exc import SQLAlchemyError

    from fyke.app.state import addresses
    from fyke.errors import Unavailable

    where = addresses(settings)
    try:
        return Tables(
            _version(settings, where.state, STATE, _version_table()),
            _version(settings, where.results, ROWS, _results_version_table()),
        )
    except SQLAlchemyError as error:
        raise Unavailable(f"The database cannot be reached: {_first_line(error)}") from error


def _version_table() -> str:
    from fyke.storage.sql.state.columns import VERSION_TABLE

    return VERSION_TABLE


def _results_version_table() -> str:
    from fyke.storage.sql.results.tables import VERSION_TABLE

    return VERSION_TABLE


def _version(settings: Settings, url: str, file: str, table: str) -> str:
    from sqlalchemy import inspect

    from fyke.storage.sql.dialects import for_reading, make_engine

    if not settings.database_url and not (settings.home / file).exists():
        return ""
    engine = make_engine(url, durable=False, pool_size=1)
    try:
        with for_reading(engine).connect() as connection, connection.begin():
            if not inspect(connection).has_table(table):
                return ""
            found = connection.exec_driver_sql(f"SELECT version_num FROM {table}").scalar()  # noqa: S608 - our own name
            return str(found or "")
    finally:
        engine.dispose()


def check(settings: Settings) -> list[str]:
    """One sentence for each fault found in state or rows; empty when there is none."""
    from sqlalchemy.exc import SQLAlchemyError

    from fyke.app.state import addresses
    from fyke.errors import Unavailable
    from fyke.storage.sql.dialects import make_engine
    from fyke.storage.sql.state.check import check as check_state

    engine = make_engine(addresses(settings).state, durable=False, pool_size=2)
    try:
        found = check_state(engine)
    except SQLAlchemyError as error:
        raise Unavailable(f"The database cannot be read: {_first_line(error)}") from error
    finally:
        engine.dispose()
    if not settings.database_url:
        found += [f"{ROWS} is damaged: {text}" for text in damage(settings.home / ROWS)]
    return found


def damage(file: Path) -> list[str]:
    """The faults that SQLite finds in a database file."""
    if not file.exists():
        return ["the file is missing"]
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [text for (text,) in rows if text != "ok"]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def copied_database(source: Path, scratch: Path) -> Iterator[Path]:
    """Yield a consistent copy of a SQLite file in use, then remove it. Raises ``FykeError``."""
    from fyke.storage.sql.backup import backup_sqlite

    scratch.mkdir(mode=0o700, exist_ok=True)
    target = scratch / f"copy-of-{source.name}"
    target.unlink(missing_ok=True)  # of a backup that was killed
    try:
        backup_sqlite(source, target)
        yield target
    finally:
        target.unlink(missing_ok=True)
