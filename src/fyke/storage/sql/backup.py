"""A consistent copy of a SQLite database while it is in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from fyke.errors import InvalidRequest

_PAGES = 256  # a step; between steps writers get their turn


def backup_sqlite(source: Path, target: Path) -> int:
    """Copy the database file ``source`` to ``target`` and return the copy's size in bytes.

    The copy is one state of the database, whole and on disk, with no WAL beside it. ``target``
    must not exist; it appears only when it is complete. Raises ``InvalidRequest`` when there is
    no source or the target exists, ``sqlite3.Error`` and ``OSError`` for what the disk refuses.
    """
    if not source.is_file():
        raise InvalidRequest(f"There is no database at {source}; name the file to copy")
    if target.exists():
        raise InvalidRequest(f"{target} exists already; name a file that does not")
    partial = target.with_name(f".{target.name}.part")
    partial.unlink(missing_ok=True)
    try:
        _copy(source, partial)
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.rename(target)
        _sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(source: Path, partial: Path) -> None:
    # an open read keeps the copy from starting over at each write of another process;
    # opened for writing, because the first to open a WAL database makes the files beside it
    with (
        contextlib.closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)
        ) as have,
        contextlib.closing(sqlite3.connect(partial)) as copy,
    ):
        have.execute("PRAGMA busy_timeout=30000")
        have.execute("BEGIN")
        have.execute("SELECT count(*) FROM sqlite_master").fetchone()
        have.backup(copy, pages=_PAGES)
        copy.execute("PRAGMA journal_mode=DELETE")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
