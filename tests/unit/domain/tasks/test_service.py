from __future__ import annotations

import json

import pytest

from fyke.domain.tasks.service import Tasks
from fyke.errors import Forbidden, InvalidRequest, TaskNotFound, WorkerNotFound
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role
from fyke.model.worker import Version, Worker
from support.memory import MemoryStorage, a_version, a_worker, add_account, caller_of

pytestmark = pytest.mark.anyio

INPUT = {"parameters": {"custom": {"id": 12345678901234567890123, "q": "a&b"}}}


class Directory:
    """A directory of one worker with one version."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    async def find(self, caller, ref: str) -> Worker:
        if ref not in (self.worker.id, self.worker.path):
            raise WorkerNotFound
        return self.worker

    async def version(self, caller: Caller | None, worker: Worker, number: str | None) -> Version:
        if number != "v1.0.1":
            raise InvalidRequest("version: the latest is v1.0.1")
        return a_version(worker.id)


class Setup:
    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.account = add_account(self.storage)
        self.caller = caller_of(self.account)
        self.worker = a_worker(self.account.id)
        self.tasks = Tasks(self.storage, Directory(self.worker))


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def test_the_input_of_a_task_is_stored_unchanged(setup: Setup):
    task = await setup.tasks.create(setup.caller, "acme/prices", " Daily ", INPUT, "v1.0.1")
    assert (task.title, task.version, task.worker_id) == ("Daily", "v1.0.1", setup.worker.id)
    assert json.loads(task.input_json) == INPUT
    assert "12345678901234567890123" in task.input_json and "a&b" in task.input_json
    assert task.created_at == setup.storage.clock.now_ms()
    assert await setup.tasks.get(setup.caller, task.id) == task


@pytest.mark.parametrize("version", [None, "", "latest", "auto", " "])
async def test_a_task_without_a_version_follows_its_worker(setup: Setup, version: str | None):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "", {}, version)
    assert (task.version, task.title) == ("", "Prices")


async def test_worker_and_version_must_exist(setup: Setup):
    with pytest.raises(WorkerNotFound):
        await setup.tasks.create(setup.caller, "acme/other", "t", INPUT, None)
    with pytest.raises(InvalidRequest, match=r"v1\.0\.1"):
        await setup.tasks.create(setup.caller, setup.worker.id, "t", INPUT, "v9.9.9")


@pytest.mark.parametrize(
    "input",
    [None, [], "x", 1, {"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}, {"a": object()}],
)
async def test_an_input_that_is_not_a_json_object_is_refused(setup: Setup, input: object):
    with pytest.raises(InvalidRequest, match="input must be"):
        await setup.tasks.create(setup.caller, setup.worker.id, "t", input, None)


async def test_an_input_that_is_too_large_is_refused(setup: Setup):
    with pytest.raises(InvalidRequest, match="at most 4,194,304 bytes"):
        await setup.tasks.create(setup.caller, setup.worker.id, "t", {"a": "x" * 2**22}, None)


@pytest.mark.parametrize("title", ["x" * 201, "a\x00b", "two\nlines"])
async def test_invalid_titles_are_refused(setup: Setup, title: str):
    with pytest.raises(InvalidRequest, match="title"):
        await setup.tasks.create(setup.caller, setup.worker.id, title, {}, None)


async def test_tasks_are_listed_in_pages_newest_first(setup: Setup):
    made = [
        await setup.tasks.create(setup.caller, setup.worker.id, f"t{i}", {}, None) for i in range(5)
    ]
    count, page = await setup.tasks.list(setup.caller, offset=1, limit=2)
    assert (count, [view.task for view in page]) == (5, [made[3], made[2]])


async def test_another_accounts_task_does_not_exist(setup: Setup):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", {}, None)
    stranger = caller_of(add_account(setup.storage, "stranger"))
    for call in (setup.tasks.get, setup.tasks.delete):
        for ref in (task.id, new_ulid(), "not-an-id"):
            with pytest.raises(TaskNotFound):
                await call(stranger, ref)
    assert await setup.tasks.list(stranger, offset=0, limit=10) == (0, [])


async def test_an_update_changes_only_the_given_members(setup: Setup):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", INPUT, "v1.0.1")
    await setup.tasks.update(setup.caller, task.id, description="why")
    await setup.tasks.set_input(setup.caller, task.id, {}, None)
    changed = await setup.tasks.get(setup.caller, task.id)
    assert (changed.title, changed.description) == ("t", "why")
    assert (changed.input_json, changed.version) == ("{}", "v1.0.1")
    await setup.tasks.set_input(setup.caller, task.id, {}, "latest")
    assert (await setup.tasks.get(setup.caller, task.id)).version == ""


async def test_a_deleted_task_does_not_exist(setup: Setup):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", {}, None)
    await setup.tasks.delete(setup.caller, task.id)
    with pytest.raises(TaskNotFound):
        await setup.tasks.get(setup.caller, task.id)


async def test_viewers_may_only_read(setup: Setup):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", {}, None)
    viewer = caller_of(setup.account, Role.VIEWER)
    assert await setup.tasks.get(viewer, task.id) == task
    with pytest.raises(Forbidden):
        await setup.tasks.create(viewer, setup.worker.id, "t", {}, None)
    with pytest.raises(Forbidden):
        await setup.tasks.delete(viewer, task.id)
    with pytest.raises(Forbidden):
        await setup.tasks.update(viewer, task.id, title="x")
    with pytest.raises(Forbidden):
        await setup.tasks.set_input(viewer, task.id, {}, None)
