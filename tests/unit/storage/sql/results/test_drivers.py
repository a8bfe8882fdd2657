"""Inserting many rows with few statements on SQLite, and what errors of the databases mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import errors

from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results.drivers import Reconnect, RetryWrite, SqliteDriver, is_of_content
from fyke.storage.sql.results.postgres import PostgresDriver
from support.prepared import rows_in

COLUMNS = {"id": "int8", "attempt": "int8", "data": "bytea"}


@pytest.mark.parametrize(
    ("count", "statements"), [(1, 1), (3, 3), (4, 1), (128, 1), (256 + 16 + 4 + 2, 6)]
)
def test_all_rows_are_inserted_with_few_statements(
    count: int, statements: int, tmp_path: Path
) -> None:
    driver = SqliteDriver(make_engine(rows_in(tmp_path), durable=False), writes=True)
    run: list[str] = []
    driver._connection.set_trace_callback(run.append)
    rows = [(number, 7, b"%d" % number) for number in range(count)]
    driver.insert("results_rows", COLUMNS, rows)
    assert len(run) == statements
    assert driver.query("SELECT id, attempt, data FROM results_rows ORDER BY id") == rows
    driver.close()


def translated(error: BaseException, *, closed: bool = False) -> BaseException:
    driver: Any = PostgresDriver.__new__(PostgresDriver)
    driver._writes, driver._connection = True, SimpleNamespace(closed=closed)
    found: BaseException = driver.translate(error)
    return found


def test_a_session_that_the_server_has_ended_is_replaced() -> None:
    for ended in (errors.IdleInTransactionSessionTimeout(), psycopg.InternalError()):
        assert isinstance(translated(ended, closed=True), RetryWrite)
    assert isinstance(translated(errors.IdleInTransactionSessionTimeout()), Reconnect)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.NumericValueOutOfRange(), True),
        (errors.CheckViolation(), True),
        (errors.ProgramLimitExceeded(), True),
        (psycopg.DataError("text fields cannot contain NUL"), True),
        (sqlite3.DataError(), True),
        (sqlite3.IntegrityError(), True),
        (OverflowError(), True),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), True),
        (errors.UndefinedTable(), False),
        (errors.UndefinedColumn(), False),
        (errors.InsufficientPrivilege(), False),
        (errors.IndexCorrupted(), False),
        (RuntimeError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_is_refused_again_is_a_matter_of_the_content(
    error: Exception, expected: bool
) -> None:
    assert is_of_content(translated(error)) is expected
