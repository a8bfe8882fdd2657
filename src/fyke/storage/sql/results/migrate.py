"""The schema of the results and its migrations."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from fyke.storage.sql.results.tables import VERSION_TABLE
from fyke.storage.sql.schema import Schema, SchemaVersion

SCHEMA = Schema(
    "results", Path(__file__).with_name("migrations"), VERSION_TABLE, releases_pages=True
)


def migrate_results(database: Engine | str) -> SchemaVersion:
    """See ``Schema.migrate``."""
    return SCHEMA.migrate(database)
