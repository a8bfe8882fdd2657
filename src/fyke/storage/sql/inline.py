"""A connection to SQLite for reads in the event loop, see ``fyke.contracts.inline``.

A reader of a database in WAL mode waits for no writer. Three limits bound everything else, each an
error that is raised as ``NotInline``: no wait for a lock, no value of more than
``MAX_VALUE_BYTES``, and no statement longer than ``MAX_SECONDS``.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from sqlalchemy.exc import SQLAlchemyError

from fyke.contracts.inline import NotInline

MAX_VALUE_BYTES = 64 * 1024
MAX_SECONDS = 0.005
_STEPS = 10_000  # of SQLite's virtual machine between two looks at the time, under a millisecond


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
        self.raw.set_progress_handler(self._late, _STEPS)
        self._until = math.inf

    def _late(self) -> bool:
        return perf_counter() > self._until

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One snapshot for all reads inside. Raises ``NotInline`` for errors of the database."""
        self._until = perf_counter() + MAX_SECONDS
        try:
            self.raw.execute("BEGIN")
            try:
                yield
            finally:
                self._until = math.inf
                self.raw.rollback()
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise NotInline from error

    def version(self) -> int:
        """See ``InlineStorage``."""
        try:
            return int(self.raw.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise NotInline from error

    def close(self) -> None:
        self.raw.close()
