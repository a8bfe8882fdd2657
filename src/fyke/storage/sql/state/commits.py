"""Finds out whether a commit took place when its response was lost. PostgreSQL only.

The last statement of each transaction that has changed a row sets the mark of its writer to the
next number. One that has only read or locked rows has nothing to look up. The row of the mark is
locked until the transaction has ended, so reading it waits for that end, and then the number shows
how it ended. The transaction id would not be reliable: a server that crashes reuses ids that had
not reached its disk.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import SQLAlchemyError

from fyke.kit import backoff
from fyke.kit.ids import new_ulid
from fyke.storage.sql.postgres_direct import postgres_execute
from fyke.storage.sql.state.columns import metadata, number_column, text_column
from fyke.storage.sql.state.delayed_signals import DueSignal

commit_marks = Table(
    "commit_marks",
    metadata,
    text_column("writer", key=True),
    number_column("number"),
    number_column("marked_at"),
)

LOOKUP_SECONDS = 45.0  # most clients and proxies wait a minute for an answer
_KEPT_MS = 24 * 3600 * 1000

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_PUT = f"""
    INSERT INTO commit_marks (writer, number, marked_at) SELECT %s, %s, {_NOW}
    WHERE pg_current_xact_id_if_assigned() IS NOT NULL
    ON CONFLICT (writer) DO UPDATE SET number = excluded.number, marked_at = excluded.marked_at
"""
# An INSERT, so that it waits for a transaction that has inserted the row and has not ended yet.
_LOOK = f"""
    INSERT INTO commit_marks (writer, number, marked_at) VALUES (%s, 0, {_NOW})
    ON CONFLICT (writer) DO UPDATE SET marked_at = excluded.marked_at RETURNING number
"""  # noqa: S608
_FORGET = f"DELETE FROM commit_marks WHERE marked_at < {_NOW} - {_KEPT_MS}"  # noqa: S608

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the row of the writer shows when the transaction was committed."""

    writer: str
    number: int


class CommitInDoubt(Exception):
    """The connection was lost during the commit. ``value`` and ``topics`` are those of the work."""

    def __init__(self, mark: Mark, value: Any, topics: tuple[DueSignal, ...]) -> None:
        super().__init__(mark)
        self.mark = mark
        self.value = value
        self.topics = topics


class _ThreadMarks(threading.local):
    """The marks of one thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.name = new_ulid()
        self.numbers = itertools.count(1)


class CommitMarks:
    """The marks of all threads of a storage."""

    def __init__(self) -> None:
        self._writer = _ThreadMarks()
        self._closing = threading.Event()

    def begin(self, connection: Connection) -> None:
        """Call this before the first statement of a transaction."""
        _raw(connection).has_changed_rows = False

    def put(self, connection: Connection) -> Mark | None:
        """Mark the transaction as its last statement; None when it has changed no row."""
        if not _raw(connection).has_changed_rows:
            return None
        mark = Mark(self._writer.name, next(self._writer.numbers))
        if mark.number == 1:  # the first mark of a thread also removes old marks
            postgres_execute(connection, _FORGET)
        put = postgres_execute(connection, _PUT, (mark.writer, mark.number))
        return mark if put.rowcount else None

    def renew(self) -> None:
        """Give this thread a new row, because another thread will look up its current row."""
        self._writer.reset()

    def was_committed(self, engine: Engine, mark: Mark) -> bool | None:
        """Query until the database answers; None if it does not within ``LOOKUP_SECONDS``."""
        until = time.monotonic() + LOOKUP_SECONDS
        for failures in itertools.count(1):
            try:
                with engine.begin() as connection:
                    row = connection.exec_driver_sql(_LOOK, (mark.writer,)).one()
                return bool(row.number == mark.number)
            except SQLAlchemyError as error:
                log.warning("commit_in_doubt", error=str(error.__cause__ or error))
            pause = backoff.delay(failures, base=0.05, cap=1.0)
            if time.monotonic() + pause > until or self._closing.wait(pause):
                break
        return None

    def close(self) -> None:
        """Stop all lookups."""
        self._closing.set()


def _raw(connection: Connection) -> Any:
    """The ``TimedConnection``, whose module is not imported where there is no PostgreSQL."""
    return connection.connection.driver_connection
