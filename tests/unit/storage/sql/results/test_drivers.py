"""Inserting many rows with few statements on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results.drivers import SqliteDriver
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
