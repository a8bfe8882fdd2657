"""What an error of either database's driver means for the one who asked.

psycopg is an extra that need not be installed, so its errors are known by their SQLSTATE alone.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# SQLITE_BUSY and SQLITE_LOCKED; the low byte of the extended code
_SQLITE_BUSY = frozenset({5, 6})
# IOERR, FULL, CANTOPEN
_SQLITE_DOWN = frozenset({10, 13, 14})
# serialization failure, deadlock, lock not available
_PG_RETRY = frozenset({"40001", "40P01", "55P03"})
# connection trouble, no resources (disk full, too many clients), shutdown and start-up
_PG_DOWN_CLASSES = ("08", "53", "57P", "58")


def is_retryable(error: BaseException) -> bool:
    """Return whether the same transaction may succeed when it is simply run again."""
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _sqlite_code(cause) in _SQLITE_BUSY
    return _sqlstate(cause) in _PG_RETRY


def is_disconnect(error: BaseException) -> bool:
    """Return whether the connection was lost. Before the commit was sent, a retry is safe."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_down(error: BaseException) -> bool:
    """Return whether the database cannot serve now: unreachable, full, out of connections."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _sqlite_code(cause) in _SQLITE_DOWN | _SQLITE_BUSY
    state = _sqlstate(cause)
    if state is None:  # the client library speaks, not the server: no connection
        return error.connection_invalidated or type(cause).__name__ == "OperationalError"
    return state in _PG_RETRY or state.startswith(_PG_DOWN_CLASSES)


def _sqlite_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _sqlstate(error: BaseException | None) -> str | None:
    return getattr(error, "sqlstate", None)
