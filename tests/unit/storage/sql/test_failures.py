"""The classification of the drivers' errors."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fyke.storage.sql.failures import is_disconnect, is_down, is_retryable


def _sqlite_error(code: int) -> OperationalError:
    cause = sqlite3.OperationalError("x")
    cause.sqlite_errorcode = code
    return OperationalError("s", {}, cause)


class _PostgresError(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate


class _ConnectionTimeout(_PostgresError):
    """The driver derives several classes from its OperationalError."""


@pytest.mark.parametrize(
    "error, retry, down",
    [
        (_sqlite_error(5), True, True),
        (_sqlite_error(517), True, True),  # SQLITE_BUSY_SNAPSHOT
        (_sqlite_error(13), False, True),
        (_sqlite_error(8), False, True),  # SQLITE_READONLY
        (_sqlite_error(1546), False, True),  # SQLITE_IOERR_TRUNCATE
        (_sqlite_error(1), False, False),
        (OperationalError("s", {}, _PostgresError("40001")), True, True),
        (OperationalError("s", {}, _PostgresError("40P01")), True, True),
        (OperationalError("s", {}, _PostgresError("53100")), False, True),
        (OperationalError("s", {}, _PostgresError("57P01")), False, True),
        (OperationalError("s", {}, _PostgresError("08006")), False, True),
        (OperationalError("s", {}, _PostgresError("57014")), False, True),  # statement_timeout
        (DBAPIError("s", {}, _PostgresError("25P03")), False, True),  # idle in a transaction
        (DBAPIError("s", {}, _PostgresError("25006")), False, True),  # read-only
        (OperationalError("s", {}, _ConnectionTimeout(None)), False, True),
        (ProgrammingError("s", {}, _PostgresError("42P01")), False, False),
        (ProgrammingError("s", {}, _PostgresError(None)), False, False),
        (PoolTimeout("none free"), False, True),
        (ValueError("x"), False, False),
    ],
)
def test_driver_errors_are_classified(error: Exception, retry: bool, down: bool) -> None:
    assert (is_retryable(error), is_down(error)) == (retry, down)


def test_a_lost_connection_is_a_disconnect() -> None:
    lost = OperationalError("s", {}, _PostgresError(None), connection_invalidated=True)
    assert is_disconnect(lost) and is_down(lost)
    assert not is_disconnect(_sqlite_error(5))
