"""Lists of tasks, and the reasons why a task can no longer run as saved."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.runs.transitions import Rules
from fyke.domain.tasks.board import TaskBoard, TaskCheck, TaskFault
from fyke.errors import TaskNotFound
from fyke.model.account import Plan
from fyke.model.billing import Prices
from fyke.model.task import Task
from fyke.model.worker import BrowserNeed, SystemDefaults, VersionState
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
SCHEMA = {
    "b": "url",
    "properties": [{"name": "url", "type": "string", "editor": "input", "required": True}],
}
RULES = Rules(Prices(), frozenset(), 100, "", browser_memory_mb=1024, browser_memory_max_mb=2048)
SYSTEM = "input.parameters.system."
INPUT = {"parameters": {"custom": {"url": "https://a.example"}}}


class Setup:
    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.board = TaskBoard(stores.storage, RULES)

    async def version(self, number: str = "v1.0.1", **changes: Any) -> None:
        changes = {"input_schema": json.dumps(SCHEMA)} | changes
        version = records.version(self.stores.worker, number, **changes)
        await self.stores.write(lambda tx: tx.workers.add_version(version))

    async def task(self, **changes: Any) -> Task:
        task = records.task(self.stores.account, self.stores.worker)
        task = replace(task, **({"input_json": json.dumps(INPUT)} | changes))
        await self.stores.write(lambda tx: tx.tasks.add(task))
        return task

    async def check(self, task: Task) -> TaskCheck:
        return await self.board.check(self.stores.caller, task.id)

    async def fault(self, task: Task) -> TaskFault | None:
        """The fault, which is the same in the list and of the single task."""
        found = (await self.check(task)).line
        _, lines = await self.board.page(self.stores.caller, offset=0, limit=9)
        [listed] = [line for line in lines if line.task.id == task.id]
        assert (listed.fault, listed.latest) == (found.fault, found.latest)
        return found.fault


@pytest.fixture
def setup(stores: Stores) -> Setup:
    return Setup(stores)


async def test_a_task_that_can_run_has_its_version_and_no_fault(setup: Setup) -> None:
    await setup.version()
    await setup.version("v1.0.2")
    for version, number in (("", "v1.0.2"), ("v1.0.1", "v1.0.1")):
        checked = await setup.check(await setup.task(version=version))
        assert checked.version is not None and checked.version.number == number
        assert (checked.line.fault, checked.problems) == (None, ())
        assert checked.line.latest == "v1.0.2"


async def test_a_task_of_a_deleted_worker_still_names_it(setup: Setup) -> None:
    await setup.version()
    task = await setup.task()
    await setup.stores.write(lambda tx: tx.workers.mark_deleted(setup.stores.worker, 5))
    assert await setup.fault(task) is TaskFault.WORKER_GONE
    checked = await setup.check(task)
    assert checked.version is None and checked.line.worker is not None


async def test_a_private_worker_of_another_account_counts_as_deleted(setup: Setup) -> None:
    other = records.account()
    worker = records.worker(other.id, public=False)

    def work(tx) -> None:
        tx.accounts.add(other)
        tx.workers.add(worker)

    await setup.stores.write(work)
    assert await setup.fault(await setup.task(worker_id=worker.id)) is TaskFault.WORKER_GONE


async def test_a_withdrawn_or_missing_version_is_a_fault(setup: Setup) -> None:
    following = await setup.task()
    assert await setup.fault(following) is TaskFault.NO_VERSION
    await setup.version("v1.0.1")
    await setup.version("v1.0.2")
    fixed, unknown = await setup.task(version="v1.0.1"), await setup.task(version="v9.9.9")
    await setup.stores.write(
        lambda tx: tx.workers.set_version_state(
            setup.stores.worker, "v1.0.1", VersionState.WITHDRAWN
        )
    )
    assert await setup.fault(fixed) is TaskFault.VERSION_GONE
    assert await setup.fault(unknown) is TaskFault.VERSION_GONE
    assert await setup.fault(following) is None


@pytest.mark.parametrize(
    ("text", "field"),
    [('{"parameters":{"custom":{}}}', "url"), ('{"parameters":{"custom":{"url":5}}}', "url"),
     ('{"parameters":5}', ""), ("[]", "")],
)  # fmt: skip
async def test_an_input_that_the_schema_no_longer_accepts_is_explained(
    setup: Setup, text: str, field: str
) -> None:
    await setup.version()
    task = await setup.task(input_json=text)
    assert await setup.fault(task) is TaskFault.INPUT
    checked = await setup.check(task)
    assert checked.version is not None
    [problem] = checked.problems
    assert problem.name == field and problem.sentence


@pytest.mark.parametrize(
    ("system", "field", "rule"),
    [({"browser_block": ["images"]}, "browser_block", "this version declares that it uses none"),
     ({"memory": "x"}, "memory", "must be a number"),
     ({"memory": 16384}, "memory", "the plan starter allows 8192")],
)  # fmt: skip
async def test_a_saved_run_option_that_no_longer_fits_is_explained(
    setup: Setup, system: dict[str, Any], field: str, rule: str
) -> None:
    def on_starter(tx: Any) -> None:
        tx.accounts.set_plan(setup.stores.account, Plan.STARTER)

    await setup.stores.write(on_starter)
    await setup.version(browser=BrowserNeed.NONE, defaults=SystemDefaults())
    text = json.dumps({"parameters": {"system": system, "custom": {"url": 5}}})
    checked = await setup.check(await setup.task(input_json=text))
    assert checked.line.fault is TaskFault.INPUT
    custom, option = checked.problems
    assert (custom.name, option.name) == ("url", f"{SYSTEM}{field}")
    sentence = option.sentence
    assert sentence.startswith(f"{SYSTEM}{field} ") and rule in sentence
    fits = {"parameters": {"system": {"memory": 512}, **INPUT["parameters"]}}
    checked = await setup.check(await setup.task(input_json=json.dumps(fits)))
    assert (checked.line.fault, checked.problems) == (None, ())


async def test_a_page_has_last_runs_and_the_total_count(setup: Setup) -> None:
    run = await setup.stores.run()
    task_with_run = await setup.task(last_run_id=run.id, title="ran")
    await setup.task(last_run_id=records.ordered_id(), title="its run was deleted")
    count, lines = await setup.board.page(setup.stores.caller, offset=0, limit=1)
    assert (count, [line.task.title for line in lines]) == (2, ["its run was deleted"])
    assert lines[0].last_run is None
    _, [found] = await setup.board.page(setup.stores.caller, offset=0, limit=9, keyword="RAN")
    assert (found.task.id, found.last_run) == (task_with_run.id, run)
    assert (await setup.board.page(setup.stores.caller, offset=0, limit=9, worker_id="x"))[0] == 0


async def test_a_task_of_another_account_does_not_exist(setup: Setup) -> None:
    task = await setup.task()
    other_caller = replace(setup.stores.caller, account_id=records.ordered_id())
    for ref in (task.id, "no-id", records.ordered_id()):
        with pytest.raises(TaskNotFound):
            await setup.board.check(other_caller, ref)
