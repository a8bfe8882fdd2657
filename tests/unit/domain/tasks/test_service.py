from __future__ import annotations

import json

import pytest

from fyke.domain.runs.transitions import Rules
from fyke.domain.tasks.service import TaskEdit, Tasks
from fyke.errors import Forbidden, InvalidRequest, TaskNotFound, UnknownVersion, WorkerNotFound
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Plan, Role
from fyke.model.audit import AuditAction
from fyke.model.billing import Prices
from fyke.model.worker import BrowserNeed, Version, Worker
from support.alerts import a_rule
from support.memory import MemoryStorage, a_version, a_worker, add_account, caller_of

pytestmark = pytest.mark.anyio

RULES = Rules(Prices(), frozenset(), 100, "", browser_memory_mb=1024, browser_memory_max_mb=2048)
SYSTEM = "input.parameters.system."
INPUT = {"parameters": {"custom": {"id": 12345678901234567890123, "q": "a&b"}}}


class Directory:
    """A directory of one worker with one version."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.published = a_version(worker.id)

    async def find(self, caller, ref: str) -> Worker:
        if ref not in (self.worker.id, self.worker.path):
            raise WorkerNotFound
        return self.worker

    async def version(self, caller: Caller | None, worker: Worker, number: str | None) -> Version:
        if number not in (self.published.number, "", "stable", "Stable"):
            raise UnknownVersion("version: the latest is v1.0.1")
        return self.published


class Setup:
    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.account = add_account(self.storage, plan=Plan.STARTER)
        self.caller = caller_of(self.account)
        self.worker = a_worker(self.account.id)
        self.directory = Directory(self.worker)
        self.tasks = Tasks(self.storage, self.directory, RULES)


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


async def test_a_tag_is_kept_as_it_is_stored(setup: Setup):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "", {}, " Stable ")
    assert task.version == "stable"
    edited = await setup.tasks.edit(setup.caller, task.id, TaskEdit(version="v1.0.1"), 0)
    assert edited.version == "v1.0.1"


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


def with_options(**system: object) -> dict[str, object]:
    return {"parameters": {"system": system, "custom": {"a": 1}}}


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ({"browser_block": ["pics"]}, 'browser_block: "pics" must be one of images'),
        ({"execute_limit_time_seconds": 10**9}, "execute_limit_time_seconds must be at most"),
        ({"browser_memory": 4096}, "browser_memory must be at most 2048 MB"),
        ({"memory": 16384}, "memory is 16384 MB, and the plan starter allows 8192"),
        ({"egress_allow": ["10.0.0.1:80"]}, "egress_allow may be used by the operator"),
    ],
)
async def test_run_options_that_a_start_would_refuse_are_not_saved(
    setup: Setup, system: dict[str, object], message: str
):
    bad = with_options(**system)
    refused = pytest.raises((InvalidRequest, Forbidden), match=f"{SYSTEM}{message}")
    with refused:
        await setup.tasks.create(setup.caller, setup.worker.id, "t", bad, "v1.0.1")
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", INPUT, None)
    with refused:
        await setup.tasks.set_input(setup.caller, task.id, bad, None)
    with refused:
        await setup.tasks.edit(setup.caller, task.id, TaskEdit(input=bad), 0)
    _, [saved] = await setup.tasks.list(setup.caller, offset=0, limit=10)
    assert json.loads(saved.task.input_json) == INPUT


async def test_options_of_a_browser_need_a_version_with_one(setup: Setup):
    block = with_options(browser_block=["images"])
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", block, None)
    setup.directory.published = a_version(setup.worker.id, browser=BrowserNeed.NONE)
    refused = pytest.raises(InvalidRequest, match="this version declares that it uses none")
    with refused:
        await setup.tasks.create(setup.caller, setup.worker.id, "t", block, "v1.0.1")
    with refused:
        await setup.tasks.set_input(setup.caller, task.id, block, "v1.0.1")
    with refused:
        await setup.tasks.edit(setup.caller, task.id, TaskEdit(version="v1.0.1"), 0)
    renamed = await setup.tasks.edit(setup.caller, task.id, TaskEdit(title="other"), 0)
    assert (renamed.title, renamed.version) == ("other", "")


async def test_a_task_of_a_worker_that_is_gone_can_still_be_changed(setup: Setup):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", {}, "v1.0.1")
    setup.directory.published = a_version(setup.worker.id, "v1.0.2")
    await setup.tasks.set_input(setup.caller, task.id, with_options(memory=512), None)
    setup.directory.worker = a_worker(setup.account.id)
    await setup.tasks.set_input(setup.caller, task.id, with_options(memory=1024), None)
    with pytest.raises(InvalidRequest, match="memory must be a number"):
        await setup.tasks.set_input(setup.caller, task.id, with_options(memory="x"), None)
    private = with_options(egress_allow=["10.0.0.1:80"])
    with pytest.raises(Forbidden, match="egress_allow"):
        await setup.tasks.set_input(setup.caller, task.id, private, None)


@pytest.mark.parametrize(
    ("title", "rule"),
    [
        ("x" * 10_000, "must have 1 to 200 characters, and has 10,000"),
        ("a\x00b", "has the invisible character U+0000 at position 2; remove it"),
        ("two\nlines", "has the invisible character U+000A at position 4; remove it"),
        (" \u202eright", "has the invisible character U+202E at position 1; remove it"),
    ],
)
async def test_invalid_titles_are_refused(setup: Setup, title: str, rule: str):
    with pytest.raises(InvalidRequest) as error:
        await setup.tasks.create(setup.caller, setup.worker.id, title, {}, None)
    assert error.value.message == f"title {rule}"


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


async def test_the_alert_rules_of_a_deleted_task_go_with_it(setup: Setup):
    task = await setup.tasks.create(setup.caller, setup.worker.id, "t", {}, None)
    alerts, account_id = setup.storage.tx.alerts, setup.account.id
    for name, task_id in (("Of it", task.id), ("Of all", ""), ("Of another", "x")):
        alerts.add_rule(a_rule(account_id, name=name, task_id=task_id))
    await setup.tasks.delete(setup.caller, task.id)
    assert [rule.name for rule in alerts.rules(account_id)] == ["Of all", "Of another"]
    actions = [entry.action for entry in setup.storage.tx.audit.rows]
    assert actions.count(AuditAction.RULE_REMOVED) == 1


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
