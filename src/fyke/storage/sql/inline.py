"""A connection to SQLite for reads in the event loop, see ``fyke.contracts.inline``.

A reader of a database in WAL mode waits for no writer. Three limits bound everything else, each an
error that is raised as ``NotInline``: no wait for a lock, no value of more than
``MAX_VALUE_BYTES``, and no read of more than about ``MAX_STEPS``, which take a few milliseconds.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from fyke.contracts.inline import NotInline

MAX_VALUE_BYTES = 64 * 1024
MAX_STEPS = 50_000  # of SQLite's virtual machine
_COUNTED = 10_000  # so many steps of a statement, also of its earlier executions, count at once


class InlineConnection:
    """A read-only connection to ``file``, which must exist. One thread at a time may use it.

    It commits nothing itself, so ``PRAGMA data_version`` changes with every commit of the database.
    """

    def __init__(self, file: Path) -> None:
        self.raw = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )
        self.raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # reads the schema
        self.raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        self.raw.set_progress_handler(self._count, _COUNTED)
        self._steps = 0
        self._versions = self.raw.cursor()  # read at each request

    def _count(self) -> bool:
        """Count steps; True interrupts the statement."""
        self._steps += _COUNTED
        return self._steps > MAX_STEPS

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One snapshot for all reads inside. Raises ``NotInline`` for errors of the database."""
        self._steps = 0
        try:
            self.raw.execute("BEGIN")
            try:
                yield
            finally:
                self.raw.rollback()
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise NotInline from error

    def version(self) -> int:
        """See ``InlineStorage``."""
        self._steps = 0
        try:
            number: int = self._versions.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise NotInline from error
        return number

    def row(self, statement: str, *values: str) -> tuple[Any, ...] | None:
        """The first row of a statement. Raises ``NotInline`` for errors of the database."""
        self._steps = 0
        try:
            row: tuple[Any, ...] | None = self.raw.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise NotInline from error
        return row

    def close(self) -> None:
        self.raw.close()
