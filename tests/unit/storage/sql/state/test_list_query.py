"""Each search of the list of runs is read from the index that fits it, in the order of the list."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from fyke.model.run import Outcome, RunState
from fyke.model.run_list import ListCursor, RunSearch
from fyke.storage.sql.state.runs import list_query
from fyke.storage.sql.state.runs.list_query import BY_ERROR, BY_TASK, BY_WORKER, NEWEST, ListQuery

FULL_ID = "01JG0000000000000000000000"


def query_of(
    dialect: str = "postgresql",
    *,
    newer: bool = False,
    start: ListCursor | None = None,
    **search: Any,
) -> ListQuery:
    connection = SimpleNamespace(dialect=SimpleNamespace(name=dialect))
    return ListQuery(cast(Connection, connection), "a", RunSearch(**search), start, newer=newer)


@pytest.mark.parametrize(
    ("search", "indexes", "checked"),
    [
        ({}, [NEWEST], 0),
        ({"created_from": 1, "created_until": 9}, [NEWEST], 0),
        ({"worker_id": "w"}, [BY_WORKER], 0),
        ({"task_id": "t"}, [BY_TASK], 0),
        ({"version": "1.0.0"}, [list_query._BY_VERSION], 0),
        ({"worker_id": "w", "task_id": "t"}, [NEWEST], 2),
        ({"error": "oops", "worker_id": "w"}, [BY_ERROR], 2),
        ({"run_id": FULL_ID}, [list_query._BY_ID], 0),
        ({"run_id": FULL_ID[:5]}, [NEWEST], 2),
        ({"states": (RunState.FAILED, RunState.ABORTED)}, [list_query.BY_STATE] * 2, 0),
        ({"states": (RunState.FAILED,), "worker_id": "w"}, [NEWEST], 2),
        ({"outcomes": (Outcome.TIMEOUT,), "worker_id": "w"}, [list_query._BY_OUTCOME], 2),
        ({"outcomes": (Outcome.SUCCEEDED,)}, [NEWEST], 1),
    ],
)
def test_a_search_has_the_index_that_fits_it(
    search: dict[str, Any], indexes: list[str], checked: int
) -> None:
    scans = query_of(**search).scans()
    assert [scan.index for scan in scans] == indexes
    assert {len(scan.checked) for scan in scans} == {checked}


def test_the_scans_of_several_values_are_merged_in_the_order_of_the_list() -> None:
    query = query_of(states=(RunState.FAILED, RunState.ABORTED))
    page = query.page(query.scans(), None)
    assert page.count("UNION ALL") == 1
    assert page.endswith("ORDER BY created_at DESC, id DESC LIMIT :limit")


def test_a_search_towards_newer_runs_begins_after_its_cursor() -> None:
    query = query_of(newer=True, start=ListCursor(5, "r"))
    page = query.page(query.scans(), ListCursor(9, "z"))
    assert "(created_at, id) > (:start_at, :start_id)" in page
    assert "(created_at, id) <= (:stop_at, :stop_id)" in page
    assert "ORDER BY created_at ASC" in page
    assert query.values == {
        "account": "a", "start_at": 5, "start_id": "r", "stop_at": 9, "stop_id": "z"
    }  # fmt: skip


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("stop", [None, ListCursor(6, "s")])
@pytest.mark.parametrize(
    "start", [None, ListCursor(1, "r"), ListCursor(5, "r"), ListCursor(9, "r")]
)
def test_each_side_of_a_walk_has_one_condition(
    start: ListCursor | None, stop: ListCursor | None, newer: bool
) -> None:
    """Of two on one side, SQLite checks one for each entry of the index."""
    query = query_of(newer=newer, start=start, created_from=2, created_until=8)
    page = query.page(query.scans(), stop)
    for comparisons in ((" < ", " <= "), (" > ", " >= ")):
        assert sum(page.count(comparison) for comparison in comparisons) == 1, page
    outside = start is not None and start.created_at == (1 if newer else 9)
    assert ("start_at" in page) == (start is not None and not outside)


def test_only_sqlite_is_told_the_index() -> None:
    assert "INDEXED BY" in query_of("sqlite").newest()
    assert "INDEXED BY" not in query_of().newest()


def test_each_filter_may_be_counted_in_an_index_of_its_own() -> None:
    query = query_of(
        worker_id="w", task_id="t", states=(RunState.FAILED,), error="oops", run_id=FULL_ID[:5]
    )
    scans = list(query.single_filters())
    assert [scan.index for scan in scans] == [
        list_query._BY_ID,
        BY_TASK,
        BY_WORKER,
        list_query.BY_STATE,
        list_query._ENDED_BY_WORKER,
        BY_ERROR,
    ]
    assert "LIMIT :limit" in query.count(scans[0])
    assert ", err_msg" in query.of_narrow(scans[0])
