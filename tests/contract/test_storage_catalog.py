"""The contract of the state: facts of workers, categories, favourites, notices of versions."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.lifecycle import AbortRequested, LimitReached, SubtaskEnded
from fyke.domain.runs.transitions import Rules, apply
from fyke.domain.workers.facts import RECENT, verdict
from fyke.errors import WorkerNotFound
from fyke.kit.ids import new_ulid
from fyke.model.billing import Prices
from fyke.model.run import End, Outcome, Run
from fyke.model.worker import (
    BrowserNeed,
    Finding,
    SystemDefaults,
    VersionFacts,
    VersionState,
    Worker,
    WorkerFacts,
    WorkerOrder,
    WorkerPage,
)
from fyke.storage.sql.state.storage import open_storage
from support import records

pytestmark = pytest.mark.anyio
State = Any
RULES = Rules(Prices(), frozenset(), max_subtasks=10, default_region="")


def end(run: Run, outcome: Outcome) -> Any:
    """End a run in one transaction, like its last subtask, an abort or a limit."""

    def work(tx: Transaction) -> bool:
        locked = tx.runs.lock(run.id)
        assert locked is not None
        event: Any = SubtaskEnded(0, int(outcome is Outcome.SUCCEEDED), End(outcome))
        if outcome is Outcome.ABORTED:
            event = AbortRequested(0)
        elif outcome is Outcome.WORKER_DELETED:
            event = LimitReached(0, End(outcome))
        return apply(tx, RULES, locked, event, "test") is not None

    return work


async def facts_of(state: State, worker_id: str) -> WorkerFacts | None:
    by_worker = await state.read(lambda tx: tx.worker_facts.of_workers([worker_id]))
    facts: WorkerFacts | None = by_worker.get(worker_id)
    return facts


async def test_each_end_is_counted_once_by_outcome(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    assert await facts_of(state, worker_id) is None
    ends = [Outcome.SUCCEEDED, Outcome.EXIT_CODE, Outcome.ABORTED, Outcome.WORKER_DELETED,
            Outcome.RUNNER_LOST, Outcome.TIMEOUT, Outcome.SUCCEEDED]  # fmt: skip
    for outcome in ends:
        run = await state.write(lambda tx: records.seed_run(tx, owner, worker_id))
        assert await state.write(end(run, outcome))
    facts = await facts_of(state, worker_id)
    assert facts is not None and facts.last_ok_at > records.START
    assert facts == WorkerFacts(worker_id, 7, 2, 2, facts.last_ok_at, "+--+")
    assert (facts.rated_runs, facts.success_rate) == (4, 0.5)


async def test_a_failed_transaction_counts_nothing(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    run = await state.write(lambda tx: records.seed_run(tx, owner, worker_id))

    def work(tx: Transaction) -> None:
        end(run, Outcome.SUCCEEDED)(tx)
        raise LookupError

    with pytest.raises(LookupError):
        await state.write(work)
    assert await facts_of(state, worker_id) is None


async def test_the_success_rate_uses_the_latest_ends(state: State) -> None:
    signs = "".join(random.Random(4).choice("+-") for _ in range(3 * RECENT))

    def note(tx: Transaction) -> None:
        for sign in signs:
            tx.worker_facts.note_end("w", sign, 7)

    await state.write(note)
    await state.write(lambda tx: tx.worker_facts.note_end("w", "-", 3))
    facts = await facts_of(state, "w")
    assert facts is not None
    assert facts.recent == (signs + "-")[-RECENT:]
    assert (facts.runs, facts.succeeded) == (3 * RECENT + 1, signs.count("+"))
    assert (facts.failed, facts.last_ok_at) == (signs.count("-") + 1, 7)


async def test_concurrent_ends_are_all_counted(state: State) -> None:
    """Two processes end runs of three workers concurrently, some of them twice."""
    outcomes = [Outcome.SUCCEEDED, Outcome.EXIT_CODE, Outcome.INTERNAL]

    def seed(tx: Transaction) -> list[Run]:
        owner, first = records.seed(tx)
        workers = [first, *(records.worker(owner) for _ in range(2))]
        for worker in workers[1:]:
            tx.workers.add(worker)
        ids = [first, *(worker.id for worker in workers[1:])]
        return [records.seed_run(tx, owner, ids[n % 3]) for n in range(36)]

    runs = await state.write(seed)
    other = open_storage(state.url, durable=False, notify=str, hiding=frozenset())
    work = [(run, outcomes[n // 3 % 3]) for n, run in enumerate(runs)]
    twice = [*work, *work[::4]]
    random.Random(1).shuffle(twice)
    await asyncio.gather(
        *(
            (other if n % 2 else state.storage).write(end(run, outcome))
            for n, (run, outcome) in enumerate(twice)
        )
    )
    await other.close()
    for worker_id in {run.worker_id for run in runs}:
        verdicts = Counter(verdict(outcome) for run, outcome in work if run.worker_id == worker_id)
        facts = await facts_of(state, worker_id)
        assert facts is not None
        assert (facts.runs, facts.succeeded, facts.failed) == (12, verdicts["+"], verdicts["-"])
        assert Counter(facts.recent) == {"+": verdicts["+"], "-": verdicts["-"]}


# --- the list -------------------------------------------------------------------------------


async def test_categories_are_counted_and_filtered(state: State) -> None:
    owner, other = records.account(), records.account()
    books = records.worker(owner.id, title="Books", categories=(3, 5), created_at=1)
    films = records.worker(owner.id, title="Films", categories=(5,), created_at=2)
    private = records.worker(other.id, title="Notes", categories=(5,), public=False, created_at=3)

    def fill(tx: Transaction) -> None:
        for account in (owner, other):
            tx.accounts.add(account)
        for worker in (books, films, private):
            tx.workers.add(worker)
            tx.workers.add_version(records.version(worker.id))

    await state.write(fill)

    async def counts(words: str = "", account_id: str | None = None) -> dict[int, int]:
        result: dict[int, int] = await state.read(
            lambda tx: tx.workers.categories(words, account_id=account_id)
        )
        return result

    async def titles(category: int, account_id: str | None = None) -> list[str]:
        _, workers = await state.read(
            lambda tx: tx.workers.search(
                "", account_id=account_id, offset=0, limit=9, category=category
            )
        )
        return [worker.title for worker in workers]

    assert await counts() == {3: 1, 5: 2}
    assert await counts(account_id=other.id) == {3: 1, 5: 3}
    assert await counts("film") == {5: 1}
    assert await titles(5) == ["Films", "Books"]
    assert await titles(5, other.id) == ["Notes", "Films", "Books"]
    assert await titles(4) == []
    page = WorkerPage("Books", "", (4, 4))
    await state.write(lambda tx: tx.workers.update(books.id, page, public=True))
    assert await counts() == {4: 1, 5: 1}


async def test_workers_are_listed_by_the_browser_of_the_version_that_an_account_gets(
    state: State,
) -> None:
    owner, other = records.account(), records.account()
    workers = {
        title: records.worker(owner.id, title=title, categories=(3,), created_at=n)
        for n, title in enumerate(["always", "sometimes", "never", "unknown", "changing"])
    }
    of_first = {
        "always": BrowserNeed.REQUIRED,
        "sometimes": BrowserNeed.OPTIONAL,
        "never": BrowserNeed.NONE,
        "changing": BrowserNeed.NONE,
    }

    def fill(tx: Transaction) -> None:
        for account in (owner, other):
            tx.accounts.add(account)
        for title, worker in workers.items():
            tx.workers.add(worker)
            need = of_first.get(title, BrowserNeed.UNKNOWN)
            tx.workers.add_version(records.version(worker.id, browser=need))
        later = records.version(
            workers["changing"].id, "v9", browser=BrowserNeed.OPTIONAL, approved=False
        )
        tx.workers.add_version(later)

    await state.write(fill)

    async def titles(browser: bool | None, account_id: str | None = other.id) -> list[str]:
        def work(tx: Transaction) -> tuple[tuple[int, list[Worker]], dict[int, int]]:
            found = tx.workers.search("", account_id=account_id, offset=0, limit=9, browser=browser)
            return found, tx.workers.categories("", account_id=account_id, browser=browser)

        (total, found), counts = await state.read(work)
        assert counts == {3: total} and total == len(found)
        return [worker.title for worker in reversed(found)]

    for account_id in (other.id, None):
        assert await titles(True, account_id) == ["always", "sometimes"]
        assert await titles(False, account_id) == ["never", "unknown", "changing"]
    assert await titles(True, owner.id) == ["always", "sometimes", "changing"]
    assert await titles(False, owner.id) == ["never", "unknown"]
    assert len(await titles(None)) == len(workers)

    changing, unknown = workers["changing"].id, workers["unknown"].id
    first = records.version(changing).number
    for number, need in ((first, BrowserNeed.NONE), ("v9", BrowserNeed.OPTIONAL)):
        asked = {changing: number, unknown: first, workers["never"].id: "v404"}
        assert await state.read(lambda tx, asked=asked: tx.workers.browser_needs(asked)) == {
            changing: need,
            unknown: BrowserNeed.UNKNOWN,
        }
    assert await state.read(lambda tx: tx.workers.browser_needs({})) == {}


async def test_the_list_is_sorted_by_use_age_or_name(state: State) -> None:
    owner, _ = await state.write(records.seed)
    created = [
        records.worker(owner, title=title, created_at=n) for n, title in enumerate(["b", "C", "a"])
    ]

    def fill(tx: Transaction) -> None:
        for worker in created:
            tx.workers.add(worker)
            tx.workers.add_version(records.version(worker.id))
        for worker, runs in zip(created, (1, 3, 0), strict=True):
            for _ in range(runs):
                tx.worker_facts.note_end(worker.id, "", 1)

    await state.write(fill)

    async def sorted_by(order: WorkerOrder) -> list[str]:
        _, workers = await state.read(
            lambda tx: tx.workers.search("", account_id=None, offset=0, limit=9, order=order)
        )
        return [worker.title for worker in workers]

    assert await sorted_by(WorkerOrder.USED) == ["C", "b", "a"]
    assert await sorted_by(WorkerOrder.NEW) == ["a", "C", "b"]
    assert await sorted_by(WorkerOrder.NAME) == ["a", "b", "C"]


# --- versions and favourites ----------------------------------------------------------------


async def test_a_deprecated_version_is_the_latest_only_without_others(state: State) -> None:
    _, worker_id = await state.write(records.seed)
    for number in ("1", "2", "3"):
        version = records.version(worker_id, number)
        await state.write(lambda tx, version=version: tx.workers.add_version(version))

    async def latest_after(number: str, new: VersionState, notice: str = "") -> str:
        foretold = await state.read(lambda tx: tx.workers.latest_with(worker_id, number, new))
        await state.write(lambda tx: tx.workers.set_version_state(worker_id, number, new, notice))
        worker: Worker = await state.read(lambda tx: tx.workers.get(worker_id))
        assert foretold == (worker.latest, worker.latest_approved)
        return worker.latest

    assert await latest_after("3", VersionState.DEPRECATED, "slow") == "2"
    assert (await state.read(lambda tx: tx.workers.version(worker_id, "3"))).notice == "slow"
    assert await latest_after("2", VersionState.DEPRECATED) == "1"
    assert await latest_after("1", VersionState.WITHDRAWN, "leaks") == "3"
    assert await latest_after("3", VersionState.PUBLISHED) == "3"
    assert (await state.read(lambda tx: tx.workers.version(worker_id, "3"))).notice == ""
    published = VersionState.PUBLISHED
    await state.write(lambda tx: tx.workers.set_version_state(worker_id, "1", published))
    await state.write(lambda tx: tx.workers.set_current(worker_id, own="1", others="3"))
    assert await latest_after("2", VersionState.PUBLISHED) == "1", "the choice stays"
    assert await latest_after("1", VersionState.WITHDRAWN) == "3", "the choice ends"
    assert await latest_after("3", VersionState.WITHDRAWN) == "2"
    assert await latest_after("1", VersionState.PUBLISHED) == "2", "it was not chosen again"
    assert await latest_after("2", VersionState.WITHDRAWN) == "1"
    assert await latest_after("1", VersionState.WITHDRAWN) == ""


async def test_run_options_include_all_versions(state: State) -> None:
    _, worker_id = await state.write(records.seed)
    _, another = await state.write(records.seed)
    options = SystemDefaults(4096, 60, 250_000, 5)
    for number in ("1", "2"):
        version = records.version(worker_id, number)
        await state.write(lambda tx, version=version: tx.workers.add_version(version))
    await state.write(lambda tx: tx.workers.add_version(records.version(another)))
    before = await state.read(lambda tx: tx.workers.versions(another))
    await state.write(lambda tx: tx.workers.set_defaults(worker_id, options))
    versions = await state.read(lambda tx: tx.workers.versions(worker_id))
    assert [version.defaults for version in versions] == [options, options]
    assert len(before) == 1 and await state.read(lambda tx: tx.workers.versions(another)) == before
    with pytest.raises(WorkerNotFound):
        await state.write(lambda tx: tx.workers.set_defaults(new_ulid(), options))


async def test_observed_facts_of_a_version_are_stored(state: State) -> None:
    _, worker_id = await state.write(records.seed)
    versions = [records.version(worker_id, number) for number in ("1", "2")]
    facts = VersionFacts(1234, (Finding("warning", "code", "main.py", 3, "what", "how"),))

    def work(tx: Transaction) -> None:
        for version in versions:
            tx.workers.add_version(version)
        tx.worker_facts.add_version(versions[1].id, facts)

    await state.write(work)
    assert await state.read(lambda tx: tx.worker_facts.of_versions(worker_id)) == {"2": facts}
    assert await state.read(lambda tx: tx.worker_facts.of_versions("unknown")) == {}


async def test_favourites_belong_to_a_user(state: State) -> None:
    _, first = await state.write(records.seed)
    _, second = await state.write(records.seed)

    def work(tx: Transaction) -> None:
        tx.favourites.add("ada", first, 1)
        tx.favourites.add("ada", second, 2)
        tx.favourites.add("ada", first, 3)
        tx.favourites.add("bob", first, 4)

    await state.write(work)
    assert await state.read(lambda tx: tx.favourites.of_user("ada")) == [second, first]
    await state.write(lambda tx: tx.favourites.remove("ada", second))
    assert await state.read(lambda tx: tx.favourites.of_user("ada")) == [first]
    assert await state.read(lambda tx: tx.favourites.of_user("bob")) == [first]


async def test_an_input_is_kept_for_each_user_and_worker(state: State) -> None:
    _, first = await state.write(records.seed)
    _, second = await state.write(records.seed)
    text = '{"parameters":{"custom":{"n":36893488147419103232}}}'

    def work(tx: Transaction) -> None:
        tx.input_defaults.put("ada", first, "{}", 1)
        tx.input_defaults.put("ada", first, text, 2)
        tx.input_defaults.put("bob", first, "[]", 3)

    await state.write(work)
    assert await state.read(lambda tx: tx.input_defaults.get("ada", first)) == text
    assert await state.read(lambda tx: tx.input_defaults.get("bob", first)) == "[]"
    assert await state.read(lambda tx: tx.input_defaults.get("ada", second)) is None
    assert await state.write(lambda tx: tx.input_defaults.remove("ada", first))
    assert not await state.write(lambda tx: tx.input_defaults.remove("ada", first))
    assert await state.read(lambda tx: tx.input_defaults.get("ada", first)) is None
    assert await state.read(lambda tx: tx.input_defaults.get("bob", first)) == "[]"


def test_a_worker_without_runs_has_no_rate() -> None:
    assert WorkerFacts("w").success_rate is None
    assert replace(WorkerFacts("w"), recent="+++-").success_rate == 0.75
