"""The schema of the state and its migrations."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, text

from fyke.errors import Conflict
from fyke.storage.sql.dialects import for_writing, long_transaction
from fyke.storage.sql.schema import Schema, SchemaVersion, upgrade
from fyke.storage.sql.state.columns import VERSION_TABLE

SCHEMA = Schema("state", Path(__file__).with_name("migrations"), VERSION_TABLE)
FIRST_RELEASE = "s0001"  # the revision of 0.1.0


def migrate(database: Engine | str) -> SchemaVersion:
    """See ``Schema.migrate``."""
    return SCHEMA.migrate(database)


def convert(database: Engine | str, chain: Path) -> SchemaVersion:
    """Convert a database from before release 0.1.0 to that release and bring it up to date.

    ``chain`` is the folder with the migrations from before that release. Runs in one transaction.
    Raise ``Conflict`` for a database that is empty or of a release, and ``SchemaTooNew``.
    """
    with SCHEMA.locked(database) as engine:
        version = SCHEMA.version(engine)
        if not version.before_releases:
            version.refuse_unknown()
            cause = f"its revision is {version.current}" if version.current else "it is empty"
            raise Conflict(f"The database needs no conversion: {cause}")
        with long_transaction(for_writing(engine)) as connection:
            upgrade(connection, chain)
            set_revision = f"UPDATE {VERSION_TABLE} SET version_num = :first"  # noqa: S608 - our own name
            connection.execute(text(set_revision), {"first": FIRST_RELEASE})
            upgrade(connection, SCHEMA.folder)
        return SCHEMA.version(engine)
