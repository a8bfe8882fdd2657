"""Classification of the errors of both database drivers.

psycopg is an optional dependency, so its errors are recognised by SQLSTATE.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fyke.errors import Unavailable

# SQLITE_BUSY and SQLITE_LOCKED; the low byte of the extended code
SQLITE_BUSY = frozenset({5, 6})
# READONLY (the file system was remounted), IOERR, FULL, CANTOPEN
_SQLITE_DOWN = frozenset({8, 10, 13, 14})
# serialization failure, deadlock, lock not available
_PG_LOCK_TIMEOUT = "55P03"
_PG_RETRY = frozenset({"40001", "40P01", _PG_LOCK_TIMEOUT})
# connection errors, no resources (disk full, too many clients), shutdown and start-up; the server
# has ended a statement or an idle transaction after its deadline; it is read-only, as a standby
_PG_DOWN_CLASSES = ("08", "53", "57P", "58", "57014", "25P03", "25006")


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is retried."""
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _sqlite_code(cause) in SQLITE_BUSY
    return _sqlstate(cause) in _PG_RETRY


def is_lock_timeout(error: BaseException) -> bool:
    """Whether PostgreSQL has ended a wait for a lock after ``lock_timeout``."""
    return isinstance(error, DBAPIError) and _sqlstate(error.orig) == _PG_LOCK_TIMEOUT


def is_disconnect(error: BaseException) -> bool:
    """Whether the connection was lost. A retry is safe if the commit was not sent."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_down(error: BaseException) -> bool:
    """Whether the database is unavailable: unreachable, silent, full, read-only, out of
    connections."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _sqlite_code(cause) in _SQLITE_DOWN | SQLITE_BUSY
    state = _sqlstate(cause)
    if error.connection_invalidated:
        return True
    if state is None:  # raised by the client library: no connection
        return isinstance(error, OperationalError)
    return state in _PG_RETRY or state.startswith(_PG_DOWN_CLASSES)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def unavailable_when_unreadable() -> Iterator[None]:
    """Raise ``Unavailable`` instead of any error of a database, for commands."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise Unavailable(f"The database cannot be read: {first_line(error)}") from error


def _sqlite_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _sqlstate(error: BaseException | None) -> str | None:
    return getattr(error, "sqlstate", None)
