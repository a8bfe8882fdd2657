"""The version of the tables: raised at start, checked on request, refused when it is newer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from fyke.errors import FykeError, Unavailable
from fyke.storage.sql.dialects import (
    for_reading,
    for_writing,
    make_engine,
    migration_lock,
    sqlite_file,
)
from fyke.storage.sql.failures import is_down
from fyke.storage.sql.state.columns import VERSION_TABLE

_SCRIPTS = Path(__file__).with_name("migrations")


class SchemaTooNew(FykeError):
    """The database was written by a newer version of Fyke; nothing was changed."""

    key = "schema_too_new"
    default = (
        "The database was written by a newer version of Fyke. "
        "Install that version again, or restore a backup from before the upgrade"
    )


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """``current`` is None for an empty database; ``known``: this release has its migration."""

    current: str | None
    head: str
    known: bool

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head


def migrate(database: Engine | str) -> SchemaVersion:
    """Bring the tables up to date, under a lock, and return where they stand now.

    Takes an engine or a URL. Raises ``SchemaTooNew``, and ``Unavailable`` when the database
    cannot be reached. When several processes do this at once, the first one does the work.
    """
    if isinstance(database, str):
        engine = make_engine(database, durable=True, pool_size=2)
        try:
            return migrate(engine)
        finally:
            engine.dispose()
    _make_folder(database)
    try:
        with migration_lock(database):
            return _migrate(database)
    except DBAPIError as error:
        if is_down(error):
            raise Unavailable("The database cannot be reached or is full") from error
        raise


def _make_folder(engine: Engine) -> None:
    file = sqlite_file(engine)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)


def _migrate(engine: Engine) -> SchemaVersion:
    version = current_and_head(engine)
    if version.up_to_date:
        return version
    if not version.known:
        raise SchemaTooNew(f"{SchemaTooNew.default} (it is at {version.current!r})")
    config = _config()
    with for_writing(engine).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return current_and_head(engine)


def current_and_head(engine: Engine) -> SchemaVersion:
    """Return the version of the tables and the newest one we know. Changes nothing."""
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head() or ""
    with for_reading(engine).connect() as connection, connection.begin():
        current = _current(connection)
    ours = {script.revision for script in scripts.walk_revisions()}
    return SchemaVersion(current, head, current is None or current in ours)


def _current(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _config() -> Config:
    # built here and not read from a file: an installed wheel has no alembic.ini
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
