"""Which columns of ended runs are kept."""

from __future__ import annotations

from fyke.domain.results.columns import MAX_COLUMNS, MAX_RUNS, EndedColumns, Key
from fyke.model.results import Header, RunTotals

COLUMNS = [Header("Title", "title", "text")]


def key_of(
    run: str = "r", *, hidden: str = "", rows: int = 1, schema: str = "", more: object = None
) -> Key:
    return run, frozenset(hidden), schema, RunTotals(rows, rows * 10), more


def test_columns_are_kept_while_the_visible_rows_are_the_same() -> None:
    columns = EndedColumns()
    columns.put(key_of(), COLUMNS)
    assert columns.get(key_of()) is COLUMNS
    for other in (
        key_of("other"),
        key_of(hidden="a"),
        key_of(rows=2),
        key_of(rows=0),
        key_of(schema="{}"),
        key_of(more="query"),
    ):
        assert columns.get(other) is None


def test_columns_without_rows_are_not_kept() -> None:
    columns = EndedColumns()
    columns.put(key_of(rows=0), COLUMNS)
    assert columns.get(key_of(rows=0)) is None


def test_the_columns_and_the_runs_are_limited() -> None:
    columns = EndedColumns()
    columns.put(key_of(), COLUMNS * (MAX_COLUMNS + 1))
    assert columns.get(key_of()) is None
    for number in range(MAX_RUNS):
        columns.put(key_of(str(number)), COLUMNS)
    assert columns.get(key_of("0")) is COLUMNS  # used last, so "1" is dropped first
    columns.put(key_of("new"), COLUMNS)
    assert columns.get(key_of("0")) is COLUMNS
    assert columns.get(key_of("1")) is None
