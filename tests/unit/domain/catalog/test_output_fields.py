"""The columns of a worker's rows, from its schema and its newest run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.catalog.output_fields import SAMPLE, OutputField, OutputFields, WorkerOutputFields
from fyke.domain.results.service import RunResults
from fyke.errors import RunNotFound
from fyke.model.account import Caller
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import Run
from fyke.model.worker import Version
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio


class Setup:
    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.results = RunResults(stores.storage, stores.results)

    async def push(self, *rows: dict[str, Any], **changes: Any) -> Run:
        run = await self.stores.run(**{"results": len(rows)} | changes)
        await self.stores.results.open_attempt(run.id, f"attempt of {run.id}")
        pushed = [PushedRow(json.dumps(row).encode()) for row in rows]
        await self.stores.results.commit([AttemptBatch(run.id, f"attempt of {run.id}", pushed)])
        return run

    async def of(self, schema: str | None, caller: Caller | None = None) -> WorkerOutputFields:
        worker = await self.stores.read(lambda tx: tx.workers.get(self.stores.worker))
        assert worker is not None
        version: Version | None = None
        if schema is not None:
            version = records.version(worker.id, output_schema=schema)
        fields = OutputFields(self.stores.storage, self.results)
        return await fields.get(caller or self.stores.caller, worker, version)


@pytest.fixture
def setup(stores: Stores) -> Setup:
    return Setup(stores)


SCHEMA = json.dumps(
    [
        {"name": "title", "description": "The title", "type": "string"},
        {"name": "price", "type": "number"},
    ]
)


def columns_of(found: WorkerOutputFields) -> list[tuple[str, bool, bool]]:
    return [(field.key, field.declared, field.in_rows) for field in found.fields]


async def test_declared_columns_come_first_then_the_other_fields_of_the_rows(
    setup: Setup,
) -> None:
    run = await setup.push({"extra": 1, "title": "x"}, {"title": None, "more": [1]})
    found = await setup.of(SCHEMA)
    assert columns_of(found) == [
        ("title", True, True), ("price", True, False), ("extra", False, True),
        ("more", False, True),
    ]  # fmt: skip
    assert (found.run_id, found.problem, found.mismatch) == (run.id, "", True)
    assert found.fields[0].label == "The title"  # from the schema
    assert found.fields[3] == OutputField("more", "more", "array", declared=False, in_rows=True)


async def test_there_is_no_mismatch_without_a_run_or_with_equal_columns(setup: Setup) -> None:
    without_run = await setup.of(SCHEMA)
    assert (without_run.run_id, without_run.mismatch, len(without_run.fields)) == ("", False, 2)
    await setup.push()
    assert (await setup.of(SCHEMA)).run_id == ""  # it has no rows
    await setup.push({"price": 1, "title": "x"})
    with_run = await setup.of(SCHEMA)
    assert with_run.run_id and not with_run.mismatch


@pytest.mark.parametrize("schema", [None, ""])
async def test_without_a_schema_the_columns_come_from_the_run(
    setup: Setup, schema: str | None
) -> None:
    await setup.push({"a": 1})
    found = await setup.of(schema)
    assert (columns_of(found), found.problem) == ([("a", False, True)], "")


async def test_an_invalid_schema_is_reported_along_with_the_columns_of_the_run(
    setup: Setup,
) -> None:
    await setup.push({"a": 1})
    found = await setup.of("{not json")
    assert columns_of(found) == [("a", False, True)]
    assert found.problem


async def test_only_the_first_rows_of_the_newest_run_are_read(setup: Setup) -> None:
    await setup.push({"old": 1}, created_at=records.START)
    await setup.push(*[{"n": 1}] * SAMPLE, {"late": 1}, created_at=records.START + 1)
    assert columns_of(await setup.of(None)) == [("n", False, True)]


@pytest.mark.parametrize("counted", [True, False])
async def test_a_newer_run_without_rows_does_not_hide_the_columns(
    setup: Setup, counted: bool
) -> None:
    run = await setup.push({"a": 1}, created_at=records.START)
    await setup.push({"older": 1}, created_at=records.START - 1)
    if counted:
        await setup.push(created_at=records.START + 1)
        await setup.push(created_at=records.START + 2)
    else:  # a run that is still running
        run = await setup.push({"a": 1}, created_at=records.START + 1, results=0)
    found = await setup.of("")
    assert (columns_of(found), found.run_id) == ([("a", False, True)], run.id)


async def test_runs_of_other_accounts_are_never_read(setup: Setup) -> None:
    await setup.push({"secret": 1})
    other_account = records.account()
    await setup.stores.write(lambda tx: tx.accounts.add(other_account))
    found = await setup.of("", replace(setup.stores.caller, account_id=other_account.id))
    assert found == WorkerOutputFields(())


async def test_a_run_deleted_during_the_request_is_not_an_error(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await setup.push({"a": 1})
    page = setup.results.page

    async def delete_then_read(*given: Any) -> Any:
        await setup.stores.write(lambda tx: tx.runs.delete(run.id))
        with pytest.raises(RunNotFound):
            await page(*given)
        return await page(*given)

    monkeypatch.setattr(setup.results, "page", delete_then_read)
    assert await setup.of("") == WorkerOutputFields(())
