"""A consistent copy of a SQLite database while it is in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from fyke.errors import InvalidRequest

_PAGES = 256  # per step; writers can run between steps


def backup_sqlite(source: Path, target: Path) -> int:
    """Copy the database file ``source`` to ``target`` and return the copy's size in bytes.

    The copy is a consistent state of the database, flushed to disk, without a WAL file. ``target``
    must not exist; it appears only when it is complete. Raise ``InvalidRequest`` when there is no
    source or the target exists, ``sqlite3.Error`` and ``OSError`` for failures of the disk.
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
    # an open read transaction keeps the copy from restarting at each write of another process;
    # mode=rw, because the first connection to a WAL database creates the -wal and -shm files
    with (
        contextlib.closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)
        ) as original,
        contextlib.closing(sqlite3.connect(partial)) as copy,
    ):
        original.execute("PRAGMA busy_timeout=30000")
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(copy, pages=_PAGES)
        copy.execute("PRAGMA journal_mode=DELETE")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
