"""A consistent copy of SQLite databases while they are in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from fyke.errors import InvalidRequest
from fyke.kit.files import flush_folder
from fyke.storage.sql.dialects import BUSY_SECONDS, begin_with_short_waits

_PAGES = 256  # per step; writers can run between steps


Moment = Callable[[Sequence[Path]], AbstractContextManager[list[sqlite3.Connection]]]


def backup_sqlite(copies: Mapping[Path, Path], moment: Moment | None = None) -> None:
    """Copy each database file, a key, to the file in its value. All copies show the same moment:
    that of ``one_moment``, or of a ``moment`` that calls it.

    They are flushed to disk and have no WAL file. No target may exist; each appears only when it is
    complete. Raise what ``check_copies`` raises, and ``sqlite3.Error`` and ``OSError`` for failures
    of the disk.
    """
    check_copies(copies)
    with (moment or one_moment)(list(copies)) as readers:
        for reader, target in zip(readers, copies.values(), strict=True):
            _copy(reader, target)


def check_copies(copies: Mapping[Path, Path]) -> None:
    """Raise ``InvalidRequest`` when a source is missing or a target exists."""
    for source, target in copies.items():
        if not source.is_file():
            raise InvalidRequest(f"There is no database at {source}; name the file to copy")
        if target.exists():
            raise InvalidRequest(f"{target} already exists; name a file that does not")


@contextlib.contextmanager
def one_moment(files: Sequence[Path]) -> Iterator[list[sqlite3.Connection]]:
    """Yield a connection to each file. Their read transactions show the files at one moment."""
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(contextlib.closing(_open(file))) for file in files]
        with _no_commits(files[0]):
            for reader in readers:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield readers


@contextlib.contextmanager
def both_at_one_moment(first: Path, second: Path) -> Iterator[sqlite3.Connection]:
    """Yield one connection that reads both files at one moment. It cannot write."""
    with contextlib.closing(_open(first)) as reader:
        reader.execute("ATTACH ? AS second", (_uri(second),))
        reader.execute("PRAGMA query_only=ON")
        with _no_commits(first):
            reader.execute("BEGIN")
            for schema in ("main", "second"):
                reader.execute(f"SELECT count(*) FROM {schema}.sqlite_master").fetchone()  # noqa: S608
        yield reader


@contextlib.contextmanager
def _no_commits(file: Path) -> Iterator[None]:
    """Keep the write lock of ``file``: all reads that begin meanwhile see this file and the files
    that refer to it in one consistent state. Readers and other databases are not delayed.
    """
    with contextlib.closing(_open(file)) as lock:
        if not begin_with_short_waits(lock):
            lock.execute("BEGIN IMMEDIATE")
        yield
        lock.execute("ROLLBACK")


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(_uri(file), uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _uri(file: Path) -> str:
    # mode=rw, because the first connection to a WAL database creates the -wal and -shm files
    return f"{file.absolute().as_uri()}?mode=rw"


def _copy(reader: sqlite3.Connection, target: Path) -> None:
    """Copy what ``reader`` sees. Its open transaction keeps the copy from restarting at each write
    of another process.
    """
    partial = target.with_name(f".{target.name}.part")
    partial.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(partial)) as copy:
            reader.backup(copy, pages=_PAGES)
            copy.execute("PRAGMA journal_mode=DELETE")
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.rename(target)
        flush_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)
