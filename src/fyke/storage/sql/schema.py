"""Sets of tables and their migrations: upgraded at start, refused when their revision is unknown.

The state and the results are two such sets, each with a chain of Alembic migrations and a table
with its revision. They may be in one database.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError, OperationalError

from fyke.errors import FykeError, Unavailable
from fyke.storage.sql.dialects import (
    BUSY_SECONDS,
    for_reading,
    for_writing,
    long_transaction,
    make_engine,
    migration_lock,
    sqlite_file,
)
from fyke.storage.sql.failures import is_down
from fyke.storage.sql.revisions import revisions

# revisions from before 0.1.0; those of releases start with a letter
_BEFORE_RELEASES = frozenset(f"{number:04}" for number in range(1, 20))


class SchemaTooNew(FykeError):
    """The database was written by a newer version of Fyke; nothing was changed."""

    key = "schema_too_new"
    default = (
        "The database was written by a newer version of Fyke. "
        "Install that version again, or restore a backup from before the upgrade"
    )


class SchemaTooOld(FykeError):
    """The database was written before the first release; nothing was changed."""

    key = "schema_too_old"
    default = (
        "The database was written before release 0.1.0 of Fyke and was not changed. "
        "Stop every Fyke that uses it, back it up, and convert it with: fyke db convert"
    )


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The revision ``current`` is "" for an empty database; ``known``: this release has it."""

    current: str
    head: str
    known: bool

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head

    @property
    def before_releases(self) -> bool:
        return self.current in _BEFORE_RELEASES

    @property
    def remedy(self) -> str:
        """What to do when the tables are not up to date."""
        command = "fyke db convert" if self.before_releases else "fyke db migrate"
        return f"run {command}, or the version of Fyke that wrote them"

    def refuse_unknown(self) -> None:
        """Raise ``SchemaTooNew`` or ``SchemaTooOld`` for an unknown revision."""
        if self.known:
            return
        error = SchemaTooOld if self.before_releases else SchemaTooNew
        raise error(f"{error.default} (its revision is {self.current})")


@dataclass(frozen=True, slots=True)
class Schema:
    """``folder`` has the migrations; ``version_table`` stores the revision of the tables.
    ``releases_pages``: see ``make_engine``.
    """

    name: str
    folder: Path
    version_table: str
    releases_pages: bool = False

    def migrate(self, database: Engine | str) -> SchemaVersion:
        """Bring the tables up to date, under a lock, and return their version.

        Takes an engine or a URL. Raise ``SchemaTooNew``, ``SchemaTooOld``, and ``Unavailable``
        when the database cannot be reached. Of several concurrent processes the first one does
        the work.
        """
        with self.locked(database) as engine:
            version = self.version(engine)
            if version.up_to_date:
                return version
            version.refuse_unknown()
            with long_transaction(for_writing(engine)) as connection:
                upgrade(connection, self.folder)
            return self.version(engine)

    def version(self, engine: Engine) -> SchemaVersion:
        """Return the version of the tables and the newest one of this release.

        Changes nothing.
        """
        current = first_value(engine, self.version_table, "version_num")
        own_revisions = revisions(self.folder)
        return SchemaVersion(current, own_revisions[-1], not current or current in own_revisions)

    @contextlib.contextmanager
    def locked(self, database: Engine | str) -> Iterator[Engine]:
        """Yield the engine of the database with the migration lock taken."""
        if isinstance(database, str):
            engine = make_engine(
                database, durable=True, pool_size=2, releases_pages=self.releases_pages
            )
            try:
                with self.locked(engine):
                    yield engine
            finally:
                engine.dispose()
            return
        file = sqlite_file(database)
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with unavailable_when_down(), migration_lock(database, self.name):
            yield database


@contextlib.contextmanager
def unavailable_when_down() -> Iterator[None]:
    """Raise ``Unavailable`` instead of an error of a database that cannot be reached."""
    try:
        yield
    except DBAPIError as error:
        if is_down(error):
            raise Unavailable("The database cannot be reached or is full") from error
        raise


def first_value(engine: Engine, table: str, column: str, *, where: str = "true") -> str:
    """A value of ``column``; "" without the table, or without a row.

    Changes nothing, not even the WAL that a killed process left next to a SQLite file.
    """
    query = f"SELECT {column} FROM {table} WHERE {where} LIMIT 1"  # noqa: S608 - our own names
    file = sqlite_file(engine)
    if file is None:
        with for_reading(engine).connect() as connection, connection.begin():
            if not inspect(connection).has_table(table):
                return ""
            return str(connection.exec_driver_sql(query).scalar() or "")
    try:
        return _first_value(file, query) if file.exists() else ""
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return ""
        raise OperationalError(query, (), error) from error


def _first_value(file: Path, query: str) -> str:
    # not with the engine: its first connection enters WAL mode, its last one empties the WAL
    address = f"{file.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True)) as connection:
        row = connection.execute(query).fetchone()
        return str(row[0]) if row else ""


def upgrade(connection: Connection, folder: Path) -> None:
    """Run the migrations of ``folder`` that are missing, inside the connection's transaction."""
    # Alembic takes half of the import time of a role, and only migrations need it
    from alembic import command
    from alembic.config import Config

    # an installed wheel has no alembic.ini
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
