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


class Place:
    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.account = add_account(self.storage)
        self.caller = caller_of(self.account)
        self.worker = a_worker(self.account.id)
        self.tasks = Tasks(self.storage, Directory(self.worker))


@pytest.fixture
def place() -> Place:
    return Place()


async def test_a_task_keeps_its_input_as_given(place: Place):
    task = await place.tasks.create(place.caller, "acme/prices", " Daily ", INPUT, "v1.0.1")
    assert (task.title, task.version, task.worker_id) == ("Daily", "v1.0.1", place.worker.id)
    assert json.loads(task.input_json) == INPUT
    assert "12345678901234567890123" in task.input_json and "a&b" in task.input_json
    assert task.created_at == place.storage.clock.now_ms()
    assert await place.tasks.get(place.caller, task.id) == task


@pytest.mark.parametrize("version", [None, "", "latest", "auto", " "])
async def test_a_task_without_a_version_follows_its_worker(place: Place, version: str | None):
    task = await place.tasks.create(place.caller, place.worker.id, "", {}, version)
    assert (task.version, task.title) == ("", "Prices")


async def test_worker_and_version_must_exist(place: Place):
    with pytest.raises(WorkerNotFound):
        await place.tasks.create(place.caller, "acme/other", "t", INPUT, None)
    with pytest.raises(InvalidRequest, match=r"v1\.0\.1"):
        await place.tasks.create(place.caller, place.worker.id, "t", INPUT, "v9.9.9")


@pytest.mark.parametrize(
    "input",
    [None, [], "x", 1, {"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}, {"a": object()}],
)
async def test_an_input_that_is_no_plain_object_is_refused(place: Place, input: object):
    with pytest.raises(InvalidRequest, match="input must be"):
        await place.tasks.create(place.caller, place.worker.id, "t", input, None)


async def test_an_input_that_is_too_large_is_refused(place: Place):
    with pytest.raises(InvalidRequest, match="at most 4,194,304 bytes"):
        await place.tasks.create(place.caller, place.worker.id, "t", {"a": "x" * 2**22}, None)


@pytest.mark.parametrize("title", ["x" * 201, "a\x00b", "two\nlines"])
async def test_titles_follow_the_rule(place: Place, title: str):
    with pytest.raises(InvalidRequest, match="title"):
        await place.tasks.create(place.caller, place.worker.id, title, {}, None)


async def test_tasks_are_listed_newest_first_and_by_page(place: Place):
    made = [
        await place.tasks.create(place.caller, place.worker.id, f"t{i}", {}, None) for i in range(5)
    ]
    count, page = await place.tasks.list(place.caller, offset=1, limit=2)
    assert (count, [view.task for view in page]) == (5, [made[3], made[2]])


async def test_another_accounts_task_does_not_exist(place: Place):
    task = await place.tasks.create(place.caller, place.worker.id, "t", {}, None)
    stranger = caller_of(add_account(place.storage, "stranger"))
    for call in (place.tasks.get, place.tasks.delete):
        for ref in (task.id, new_ulid(), "not-an-id"):
            with pytest.raises(TaskNotFound):
                await call(stranger, ref)
    assert await place.tasks.list(stranger, offset=0, limit=10) == (0, [])


async def test_an_update_changes_what_is_given(place: Place):
    task = await place.tasks.create(place.caller, place.worker.id, "t", INPUT, "v1.0.1")
    await place.tasks.update(place.caller, task.id, description="why")
    await place.tasks.set_input(place.caller, task.id, {}, None)
    changed = await place.tasks.get(place.caller, task.id)
    assert (changed.title, changed.description) == ("t", "why")
    assert (changed.input_json, changed.version) == ("{}", "v1.0.1")
    await place.tasks.set_input(place.caller, task.id, {}, "latest")
    assert (await place.tasks.get(place.caller, task.id)).version == ""


async def test_a_deleted_task_is_gone(place: Place):
    task = await place.tasks.create(place.caller, place.worker.id, "t", {}, None)
    await place.tasks.delete(place.caller, task.id)
    with pytest.raises(TaskNotFound):
        await place.tasks.get(place.caller, task.id)


async def test_viewers_may_look_only(place: Place):
    task = await place.tasks.create(place.caller, place.worker.id, "t", {}, None)
    viewer = caller_of(place.account, Role.VIEWER)
    assert await place.tasks.get(viewer, task.id) == task
    with pytest.raises(Forbidden):
        await place.tasks.create(viewer, place.worker.id, "t", {}, None)
    with pytest.raises(Forbidden):
        await place.tasks.delete(viewer, task.id)
    with pytest.raises(Forbidden):
        await place.tasks.update(viewer, task.id, title="x")
    with pytest.raises(Forbidden):
        await place.tasks.set_input(viewer, task.id, {}, None)
