"""The contract of the state: transactions, workers, tasks, text."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from fyke.contracts.state import Transaction
from fyke.errors import Conflict, Unavailable, WorkerNotFound
from fyke.model.run import Run
from fyke.model.task import Task
from fyke.model.worker import BrowserNeed, VersionState, Worker, WorkerPage
from support import records
from support.examples import examples
from support.statements import executed

pytestmark = pytest.mark.anyio
State = Any


# --- transactions ---------------------------------------------------------------------------


async def test_a_write_is_seen_by_the_next_read(state: State) -> None:
    account = records.account(name="acme", operator=True, traffic_bytes=2**62)
    await state.write(lambda tx: tx.accounts.add(account))
    assert await state.read(lambda tx: tx.accounts.get(account.id)) == account


async def test_an_exception_rolls_back_and_sends_no_signal(state: State) -> None:
    account = records.account()

    def work(tx: Transaction) -> None:
        tx.accounts.add(account)
        tx.notify("work")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await state.write(work)
    assert await state.read(lambda tx: tx.accounts.get(account.id)) is None
    assert state.notified == []


async def test_signals_are_sent_after_the_commit_once_per_topic_in_order(state: State) -> None:
    def work(tx: Transaction) -> list[str]:
        for topic in ("work", "stop", "work"):
            tx.notify(topic)
        return list(state.notified)

    assert await state.write(work) == []
    assert state.notified == ["work", "stop"]


async def test_a_caught_conflict_keeps_the_transaction_usable(state: State) -> None:
    account = records.account()

    def work(tx: Transaction) -> None:
        tx.accounts.add(account)
        with pytest.raises(Conflict):
            tx.accounts.add(records.account(name=account.name))
        tx.accounts.add_user(records.user(account.id))

    await state.write(work)
    assert len(await state.read(lambda tx: tx.accounts.users(account.id))) == 1


async def test_now_is_the_same_during_a_transaction(state: State) -> None:
    before = time.time_ns() // 1_000_000
    first, second = await state.read(lambda tx: (tx.now, tx.now))
    assert first == second
    assert before - 1000 <= first <= time.time_ns() // 1_000_000 + 1000


async def test_a_read_cannot_write(state: State) -> None:
    account = records.account()
    with pytest.raises(Unavailable, match="nothing was changed"):
        await state.read(lambda tx: tx.accounts.add(account))
    assert await state.read(lambda tx: tx.accounts.all()) == []


async def test_a_read_sees_one_state_while_others_write(state: State) -> None:
    loop = asyncio.get_running_loop()

    def work(tx: Transaction) -> tuple[int, int]:
        first = len(tx.accounts.all())
        other = state.write(lambda tx: tx.accounts.add(records.account()))
        asyncio.run_coroutine_threadsafe(other, loop).result(20)
        return first, len(tx.accounts.all())

    assert await state.read(work) == (0, 0)
    assert len(await state.read(lambda tx: tx.accounts.all())) == 1


# --- workers --------------------------------------------------------------------------------


async def test_workers_are_unique_by_path(state: State) -> None:
    owner, _ = await state.write(records.seed)
    own_worker = records.worker(owner, name="books")
    await state.write(lambda tx: tx.workers.add(own_worker))
    with pytest.raises(Conflict, match="acme/books"):
        await state.write(lambda tx: tx.workers.add(records.worker(owner, name="books")))
    assert await state.read(lambda tx: tx.workers.by_path("acme", "books")) == own_worker
    assert await state.read(lambda tx: tx.workers.by_path("acme", "none")) is None
    assert own_worker in await state.read(lambda tx: tx.workers.of_account(owner))


async def test_versions_are_immutable_and_the_latest_is_the_newest_published(state: State) -> None:
    _, worker_id = await state.write(records.seed)
    versions = [records.version(worker_id, number) for number in ("1.9.0", "1.10.0", "1.10.1")]
    await state.write(lambda tx: [tx.workers.add_version(v) for v in versions])
    assert await state.read(lambda tx: tx.workers.versions(worker_id)) == versions[::-1]
    assert await state.read(lambda tx: tx.workers.version(worker_id, "1.9.0")) == versions[0]
    assert await state.read(lambda tx: tx.workers.version(worker_id, "2")) is None
    with pytest.raises(Conflict, match=r"1\.10\.0"):
        await state.write(lambda tx: tx.workers.add_version(records.version(worker_id, "1.10.0")))
    with pytest.raises(WorkerNotFound):
        await state.write(lambda tx: tx.workers.add_version(records.version("unknown", "1")))

    async def latest_after(number: str, new: VersionState) -> str:
        await state.write(lambda tx: tx.workers.set_version_state(worker_id, number, new))
        return (await state.read(lambda tx: tx.workers.get(worker_id))).latest

    assert (await state.read(lambda tx: tx.workers.get(worker_id))).latest == "1.10.1"
    assert await latest_after("1.10.1", VersionState.WITHDRAWN) == "1.10.0"
    assert await latest_after("1.9.0", VersionState.WITHDRAWN) == "1.10.0"
    assert await latest_after("1.10.0", VersionState.WITHDRAWN) == ""
    assert await latest_after("1.9.0", VersionState.PUBLISHED) == "1.9.0"


async def test_search_ignores_case_and_wildcards(state: State) -> None:
    owner, other = records.account(), records.account()
    texts = ["100% Straße", "under_score", "Ünïcode ŻÓŁW", "back\\slash"]
    matching = [records.worker(owner.id, title=t, created_at=n) for n, t in enumerate(texts)]
    private = records.worker(owner.id, title="private books", public=False, created_at=9)
    unpublished = records.worker(owner.id, title="books")

    def fill(tx: Transaction) -> None:
        for account in (owner, other):
            tx.accounts.add(account)
        for worker in (*matching, private, unpublished):
            tx.workers.add(worker)
        for worker in (*matching, private):
            tx.workers.add_version(records.version(worker.id))

    await state.write(fill)

    async def search(text: str, account_id: str | None = None, limit: int = 10) -> list[str]:
        count, hits = await state.read(
            lambda tx: tx.workers.search(text, account_id=account_id, offset=0, limit=limit)
        )
        assert count >= len(hits)
        return [worker.title for worker in hits]

    assert await search("%") == [texts[0]]
    assert await search("_") == [texts[1]]
    assert await search("\\") == [texts[3]]
    assert await search("STRASSE") == [texts[0]]
    assert await search("żółw") == [texts[2]]
    assert await search(matching[1].path.upper()) == [texts[1]]
    assert await search(matching[1].path.replace("/", "~")) == [texts[1]]
    assert await search(matching[1].id) == [texts[1]]
    assert await search("books") == []
    assert await search("books", other.id) == []
    assert await search("books", owner.id) == ["private books"]
    assert await search("", limit=3) == [texts[3], texts[2], texts[1]]


async def test_an_updated_worker_is_found_by_its_new_text(state: State) -> None:
    _, worker_id = await state.write(records.seed)
    await state.write(lambda tx: tx.workers.add_version(records.version(worker_id)))
    page = WorkerPage("New", "Fresh", (56, 3), "https://example.com/icon.png")
    await state.write(lambda tx: tx.workers.update(worker_id, page, public=False))
    changed = await state.read(lambda tx: tx.workers.get(worker_id))
    assert (changed.page, changed.public) == (page, False)
    owner = changed.account_id
    hits = await state.read(
        lambda tx: tx.workers.search("fresh", account_id=owner, offset=0, limit=5)
    )
    assert hits == (1, [changed])
    with pytest.raises(WorkerNotFound):
        await state.write(lambda tx: tx.workers.update("unknown", page, public=True))


@pytest.mark.parametrize("egress", [None, (), ("example.com", "*.example.org")])
async def test_declarations_of_a_version_are_stored(
    state: State, egress: tuple[str, ...] | None
) -> None:
    _, worker_id = await state.write(records.seed)
    version = records.version(
        worker_id,
        "v2",
        egress=egress,
        builds=bool(egress),
        secrets=("B", "A"),
        browser=BrowserNeed.REQUIRED,
        browser_declared=True,
    )
    await state.write(lambda tx: tx.workers.add_version(version))
    assert await state.read(lambda tx: tx.workers.version(worker_id, "v2")) == version
    assert version in await state.read(lambda tx: tx.workers.versions(worker_id))
    assert await state.read(lambda tx: tx.workers.version_by_id(version.id)) == version
    assert await state.read(lambda tx: tx.workers.version_by_id("v2")) is None


async def test_the_need_of_a_browser_is_written_later(state: State) -> None:
    _, worker_id = await state.write(records.seed)
    for number in ("v2", "v3"):
        version = records.version(worker_id, number)
        await state.write(lambda tx, version=version: tx.workers.add_version(version))
    need = BrowserNeed.OPTIONAL
    await state.write(lambda tx: tx.workers.set_browser(worker_id, "v2", need, declared=True))

    def known(tx: Transaction) -> list[tuple[BrowserNeed, bool]]:
        versions = [tx.workers.version(worker_id, number) for number in ("v2", "v3")]
        return [(version.browser, version.browser_declared) for version in versions]

    assert await state.read(known) == [(need, True), (BrowserNeed.UNKNOWN, False)]


async def test_builds_can_be_allowed_and_forbidden(state: State) -> None:
    _, worker_id = await state.write(records.seed)

    async def allowed() -> bool:
        return bool((await state.read(lambda tx: tx.workers.get(worker_id))).builds_allowed)

    assert not await allowed()
    for value in (True, False):
        await state.write(lambda tx, w=value: tx.workers.allow_builds(worker_id, allowed=w))
        assert await allowed() is value


async def test_lists_of_workers_are_paged_newest_first(state: State) -> None:
    owner, other = records.account(), records.account()
    workers = [records.worker(owner.id, title=f"Book {n}", created_at=n) for n in range(5)]
    foreign = records.worker(other.id, title="Book of others", created_at=9)
    bare = records.worker(owner.id, title="Book without a version", created_at=8)

    def fill(tx: Transaction) -> None:
        for account in (owner, other):
            tx.accounts.add(account)
        for worker in (*workers, foreign, bare):
            tx.workers.add(worker)
        for worker in (*workers, foreign):
            tx.workers.add_version(records.version(worker.id))

    await state.write(fill)

    def titles(page: tuple[int, list[Worker]]) -> tuple[int, list[str]]:
        return page[0], [worker.title for worker in page[1]]

    async def search(offset: int) -> tuple[int, list[str]]:
        return titles(
            await state.read(
                lambda tx: tx.workers.search("book", account_id=None, offset=offset, limit=4)
            )
        )

    async def own_titles(text: str, offset: int) -> tuple[int, list[str]]:
        return titles(
            await state.read(lambda tx: tx.workers.own_page(owner.id, text, offset=offset, limit=4))
        )

    assert await search(0) == (6, ["Book of others", "Book 4", "Book 3", "Book 2"])
    assert await search(4) == (6, ["Book 1", "Book 0"])
    assert await search(8) == (6, [])
    assert await own_titles("", 0) == (6, [bare.title, "Book 4", "Book 3", "Book 2"])
    assert await own_titles("BOOK 1", 0) == (1, ["Book 1"])
    assert await own_titles("others", 0) == (0, [])


async def test_a_deleted_worker_keeps_its_id_and_frees_its_name(state: State) -> None:
    owner, _ = await state.write(records.seed)
    old = records.worker(owner, name="prices", title="Old prices", categories=(7,))

    def publish(tx: Transaction, worker: Worker) -> None:
        tx.workers.add(worker)
        tx.workers.add_version(records.version(worker.id))

    await state.write(lambda tx: publish(tx, old))
    assert await state.write(lambda tx: tx.workers.mark_deleted(old.id, 77))
    assert not await state.write(lambda tx: tx.workers.mark_deleted(old.id, 78))
    deleted = replace(old, latest="1.0.0", latest_approved="1.0.0", deleted_at=77)
    assert await state.read(lambda tx: tx.workers.get(old.id)) == deleted
    assert await state.read(lambda tx: tx.workers.version(old.id, "1.0.0")) is not None
    with pytest.raises(Conflict):
        await state.write(lambda tx: tx.workers.add(records.worker(owner, name="prices")))
    for _ in range(2):
        await state.write(lambda tx: tx.workers.free_name(old.id))
    assert await state.read(lambda tx: tx.workers.get(old.id)) == deleted
    for name in ("prices", f"prices~{old.id}"):
        assert await state.read(lambda tx, name=name: tx.workers.by_path("acme", name)) is None
    with pytest.raises(WorkerNotFound):
        await state.write(lambda tx: tx.workers.add_version(records.version(old.id, "2.0.0")))
    young = records.worker(owner, name="prices", title="New prices")
    await state.write(lambda tx: publish(tx, young))
    await state.write(lambda tx: tx.workers.free_name(young.id))  # no effect: it is not deleted
    assert (await state.read(lambda tx: tx.workers.by_path("acme", "prices"))).id == young.id
    of_account = await state.read(lambda tx: tx.workers.of_account(owner))
    assert young.id in {w.id for w in of_account} and old.id not in {w.id for w in of_account}
    for find in (
        lambda tx: tx.workers.search("prices", account_id=owner, offset=0, limit=9),
        lambda tx: tx.workers.own_page(owner, "prices", offset=0, limit=9),
    ):
        count, workers = await state.read(find)
        assert (count, [worker.id for worker in workers]) == (1, [young.id])


# --- tasks ----------------------------------------------------------------------------------


async def test_tasks_come_in_pages_newest_first(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    tasks = [records.task(owner, worker_id, created_at=n) for n in range(5)]
    await state.write(lambda tx: [tx.tasks.add(t) for t in tasks])
    page = await state.read(lambda tx: tx.tasks.of_account(owner, offset=1, limit=2))
    assert page == (5, [tasks[3], tasks[2]])
    await state.write(lambda tx: tx.tasks.delete(tasks[3].id))
    assert await state.read(lambda tx: tx.tasks.get(tasks[3].id)) is None
    assert await state.read(lambda tx: tx.tasks.get(tasks[2].id)) == tasks[2]
    assert (await state.read(lambda tx: tx.tasks.of_account("x", offset=0, limit=2))) == (0, [])


async def test_tasks_are_counted_by_the_version_that_they_name(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    _, other_worker = await state.write(records.seed)
    named = [
        records.task(owner, worker_id, version=version, title=f"{version} {n}", created_at=n)
        for version in ("", "beta", "stable", "unasked")
        for n in range(4)
    ]
    elsewhere = records.task(owner, other_worker, version="stable")
    await state.write(lambda tx: [tx.tasks.add(task) for task in [*named, elsewhere]])
    asked = ["stable", "", "none"]
    found = await state.read(lambda tx: tx.tasks.by_version(owner, worker_id, asked, 2))
    titles = {key: list(item.titles.items()) for key, item in found.items()}
    assert {key: item.total for key, item in found.items()} == {"": 4, "stable": 4}
    assert titles["stable"] == [(named[11].id, "stable 3"), (named[10].id, "stable 2")]
    assert titles[""] == [(named[3].id, " 3"), (named[2].id, " 2")]
    assert await state.read(lambda tx: tx.tasks.by_version(owner, worker_id, [], 2)) == {}


async def test_several_workers_tasks_and_runs_are_read_in_one_query_each(state: State) -> None:
    def fill(tx: Transaction) -> tuple[str, list[Task], list[Run]]:
        owner, worker = records.seed(tx)
        tasks = [records.task(owner, worker) for _ in range(3)]
        for task in tasks:
            tx.tasks.add(task)
        return worker, tasks, [records.seed_run(tx, owner, worker) for _ in range(3)]

    worker, tasks, runs = await state.write(fill)

    def read(tx: Transaction) -> tuple[dict[str, Any], ...]:
        missing = "01JG0000000000000000000000"
        return (
            tx.workers.get_all([worker, missing]),
            tx.tasks.get_all({tasks[0].id, tasks[2].id, missing}),
            tx.runs.get_all([runs[1].id, runs[0].id, missing]),
        )

    with executed() as statements:
        found = await state.read(read)
    assert found[0] == {worker: await state.read(lambda tx: tx.workers.get(worker))}
    assert found[1] == {task.id: task for task in (tasks[0], tasks[2])}
    assert found[2] == {run.id: run for run in runs[:2]}
    assert len([sql for sql, _ in statements if sql.startswith("SELECT")]) == 3
    nothing = await state.read(
        lambda tx: (tx.workers.get_all([]), tx.tasks.get_all([]), tx.runs.get_all([]))
    )
    assert nothing == ({}, {}, {})


async def test_concurrent_changes_of_a_task_are_serialised(state: State) -> None:
    owner, worker = await state.write(records.seed)
    task = records.task(owner, worker)
    await state.write(lambda tx: tx.tasks.add(task))

    def change(tx: Transaction) -> bool:
        current = tx.tasks.lock(task.id)
        assert current is not None
        if current.revision:
            return False
        return tx.tasks.update(replace(current, revision=1, title="Changed"))

    results = await asyncio.gather(*(state.write(change) for _ in range(6)))
    assert sorted(results) == [False] * 5 + [True]
    stored = await state.read(lambda tx: tx.tasks.get(task.id))
    assert (stored.title, stored.revision) == ("Changed", 1)
    assert await state.write(lambda tx: tx.tasks.lock("unknown")) is None


# --- text -----------------------------------------------------------------------------------


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec=None), max_size=40) | st.just("a\0b\ud800c"))
async def test_text_is_stored_except_what_postgresql_cannot_store(state: State, text: str) -> None:
    expected = "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)
    owner, worker_id = await state.write(records.seed)
    task = records.task(owner, worker_id, title=text, input_json=text)
    await state.write(lambda tx: tx.tasks.add(task))
    stored = await state.read(lambda tx: tx.tasks.get(task.id))
    assert (stored.title, stored.input_json) == (expected, expected)
    # a query for such a text is no error either, even if the statement goes directly to the driver
    assert await state.read(lambda tx: tx.accounts.key_by_digest(text)) is None
    assert await state.read(lambda tx: tx.runs.get(text)) is None
