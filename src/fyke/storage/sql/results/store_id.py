"""The id by which segments of the journal name their ``rows.db``."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

_NO_ID = "no such table"  # of a file from before migration r0003


def read_store_id(file: Path) -> bytes | None:
    """The id of a database file, None if it has none or cannot be read. Changes nothing."""
    uri = f"{file.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return bytes(connection.execute("SELECT id FROM results_store").fetchone()[0])
    except (sqlite3.DatabaseError, TypeError):
        return None


def renew_store_id(file: Path) -> None:
    """Give a copy of ``rows.db`` an id of its own, so that it gets no records that were written
    after it was copied. Raises ``sqlite3.Error``.
    """
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        try:
            connection.execute("UPDATE results_store SET id = randomblob(16)")
        except sqlite3.OperationalError as error:
            if not str(error).startswith(_NO_ID):
                raise
