"""The rows on the page of a run: pages, errors of the query, single rows and values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.console.pages.run_frame import RunFrame
from fyke.console.pages.run_output import RunOutputPages, shown_rows
from fyke.console.view import View
from fyke.domain.accounts.sessions import SignedInUser
from fyke.domain.results.service import RunResults
from fyke.domain.runs.service import RunView
from fyke.errors import NotFound, RunNotFound
from fyke.model.results import Header
from fyke.model.run import RunState
from fyke.model.user import Preferences
from support import records
from support.memory import (
    MemoryResults,
    MemoryStorage,
    a_run,
    a_version,
    a_worker,
    add_account,
    caller_of,
)
from support.views import Pairs, view_of

pytestmark = pytest.mark.anyio


class Setup:
    """A run with some rows, and requests to its pages."""

    def __init__(self, folder: Path, *rows: bytes) -> None:
        storage, self.rows = MemoryStorage(), MemoryResults()
        account = add_account(storage)
        self.run = a_run(account.id, state=RunState.SUCCEEDED)
        storage.tx.runs.rows[self.run.id] = self.run
        version = a_version(self.run.worker_id)
        storage.tx.workers.version_rows[self.run.worker_id, version.number] = version
        self.storage = storage
        self.results = RunResults(storage, self.rows, folder)
        self.rows.push(self.run.id, *rows)
        user = records.user(account.id)
        self.signed_in = SignedInUser(caller_of(account), user, "session", Preferences())
        # frame and log are not needed for a single row
        self.pages = RunOutputPages(cast(Any, None), self.results, cast(Any, None))

    def view(self, query: Pairs = (), **parameters: str) -> View:
        return view_of(
            f"/runs/{self.run.id}",
            query=query,
            parameters={"id": self.run.id, **parameters},
            signed_in=self.signed_in,
        )

    async def shown(self, *query: tuple[str, str]) -> dict[str, Any]:
        run = RunView(self.run, a_worker(self.run.account_id), 0, 0, 0, 0)
        frame = RunFrame(run, cast(Any, None), None, "", "", "")
        return await shown_rows(self.results, self.view(query), frame)

    async def value(self, position: str, *query: tuple[str, str]) -> Any:
        return await self.pages.value(self.view(query, position=position))


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path, *(b'{"n":%d,"m":%d}' % (n, n % 2) for n in range(1, 121)))


def positions(found: dict[str, Any]) -> list[int]:
    return [record.position for record in found["rows"]]


async def test_rows_are_paged(setup: Setup) -> None:
    first = await setup.shown()
    assert (first["total"], first["count"], first["size"]) == (120, 120, 50)
    assert positions(first) == list(range(1, 51))
    assert positions(await setup.shown(("page", "3"))) == list(range(101, 121))


async def test_filters_change_the_count_and_not_the_total(setup: Setup) -> None:
    found = await setup.shown(("filter", "m:eq:1"), ("sort", "-n"))
    assert (found["count"], found["total"]) == (60, 120)
    assert positions(found)[:2] == [119, 117]


@pytest.mark.parametrize(("query", "field"), [(("filter", "m"), "field"), (("sort", "-"), "sort")])
async def test_an_invalid_query_is_an_error_and_keeps_totals_and_fields(
    setup: Setup, query: tuple[str, str], field: str
) -> None:
    found = await setup.shown(query)
    assert list(found["faults"]) == [field]
    assert (found["rows"], found["count"], found["total"]) == ([], 0, 120)
    assert [item.key for item in found["fields"]] == ["n", "m"]


async def test_undeclared_fields_are_shown(tmp_path: Path) -> None:
    setup = Setup(tmp_path, b'{"price":1}', b'{"price":2,"note":"new"}')
    setup.rows.declared[setup.run.id] = [Header("Price", "price", "number")]
    assert [field.key for field in (await setup.shown())["fields"]] == ["price", "note"]


async def test_pages_of_large_rows_are_smaller(tmp_path: Path) -> None:
    setup = Setup(tmp_path, *[b'{"a":"%s"}' % (b"x" * 2**20)] * 6)
    assert (await setup.shown())["size"] == 2


async def test_rows_of_failed_subtasks_are_shown_on_request(setup: Setup) -> None:
    setup.rows.push(setup.run.id, b'{"n":0}', attempt_id="failed")
    setup.storage.tx.runs.hidden[setup.run.id] = frozenset({"failed"})
    assert (await setup.shown())["total"] == 120
    assert (await setup.shown(("failed", "1")))["total"] == 121
    with pytest.raises(NotFound):
        await setup.value("121")
    assert (await setup.value("121", ("failed", "1"))).body == b'{"n":0}'


async def test_a_row_is_downloaded_as_stored_and_a_value_as_text(tmp_path: Path) -> None:
    setup = Setup(tmp_path, b'{"n":1.10,"t":"<b>\\u00e9"}')
    row, value = await setup.value("1"), await setup.value("1", ("field", "t"))
    assert row.body == b'{"n":1.10,"t":"<b>\\u00e9"}'
    assert row.headers["content-disposition"] == 'attachment; filename="row-1.json"'
    assert bytes(value.body).decode() == "<b>é"
    assert value.headers["content-disposition"] == 'attachment; filename="row-1.txt"'
    for answer in (row, value):
        assert answer.headers["content-type"] == "text/plain; charset=utf-8", "never run as a page"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("position", ["0", "121", "-1", "x", "1.0", "1" * 10])
async def test_a_position_without_a_row_is_not_found(setup: Setup, position: str) -> None:
    with pytest.raises(NotFound):
        await setup.value(position)


async def test_rows_of_another_account_are_not_found(setup: Setup) -> None:
    setup.storage.tx.runs.rows[setup.run.id] = replace(setup.run, account_id="other")
    with pytest.raises(RunNotFound):
        await setup.shown()
    assert json.loads(setup.rows.rows[setup.run.id][0].data)["n"] == 1
