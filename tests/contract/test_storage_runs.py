"""The contract of the state: runs, subtasks, attempts, runners."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import text

from fyke.contracts.state import Transaction
from fyke.model.attempt import AttemptEnd
from fyke.model.run import SUCCESS, Attempt, End, Outcome, Run, RunFilter, RunState, SubtaskState
from fyke.model.runner import AttemptUsage, Renewal, RunnerInfo
from fyke.reasons import Reason, ReasonCode
from fyke.storage.sql.state.check import check
from fyke.storage.sql.state.runs import store
from fyke.storage.sql.state.runs.lists import NARROW
from fyke.storage.sql.state.storage import open_storage
from support import records
from support.leases import WIDE, leased, seeded
from support.statements import executed

pytestmark = pytest.mark.anyio
State = Any
CODE_1 = Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words="no more")


# --- runs -----------------------------------------------------------------------------------


async def test_a_stored_run_is_read_back(state: State) -> None:
    run = await seeded(state, 3, outcome=Outcome.ROW_CAP, egress_allow=("a:1", "b:2"), cpus=0.25)
    assert await state.read(lambda tx: tx.runs.get(run.id)) == run
    assert await state.write(lambda tx: tx.runs.lock(run.id)) == run
    assert await state.read(lambda tx: tx.runs.get("nothing")) is None
    parts = await state.read(lambda tx: tx.runs.subtasks(run.id))
    assert parts == [records.subtask(run.id, n) for n in range(3)]


async def test_a_move_needs_the_state_it_expects(state: State) -> None:
    run = await seeded(state)
    started = replace(run, state=RunState.RUNNING, started_at=5, usage_micros=7, err_msg="x")
    assert await state.write(lambda tx: tx.runs.move(started, RunState.READY))
    stale = await state.write(lambda tx: tx.runs.move(run, RunState.READY))
    assert not stale, "rejected: wrong expected state"
    assert await state.read(lambda tx: tx.runs.get(run.id)) == started
    ghost = replace(run, id="nothing")
    assert not await state.write(lambda tx: tx.runs.move(ghost, RunState.READY))


async def test_events_keep_their_order(state: State) -> None:
    run = await seeded(state)
    events = [records.event(run.id, kind=f"k{n}", at=9) for n in range(5)]
    await state.write(lambda tx: [tx.runs.add_event(e) for e in events])
    assert await state.read(lambda tx: tx.runs.events(run.id)) == events
    assert await state.read(lambda tx: tx.runs.events("nothing")) == []


async def test_the_subtasks_that_events_name_are_found(state: State) -> None:
    run, other = await seeded(state, 3), await seeded(state)
    first, _, last = await state.read(lambda tx: tx.runs.subtasks(run.id))
    events = [records.event(run.id, number=number) for number in (last.number, first.number, "")]
    await state.write(lambda tx: [tx.runs.add_event(e) for e in events])
    found = await state.read(lambda tx: tx.runs.ordinals_in_events(run.id))
    assert found == {first.number: 0, last.number: 2}
    assert await state.read(lambda tx: tx.runs.ordinals_in_events(other.id)) == {}


async def make_list(state: State) -> tuple[str, str, list[Run]]:
    """Add ten runs of one account, oldest first, with changing states; every third run is of a
    second worker.
    """
    states = [RunState.READY, RunState.RUNNING, RunState.SUCCEEDED, RunState.FAILED]

    def work(tx: Transaction) -> tuple[str, str, list[Run]]:
        owner, first = records.seed(tx)
        second = records.worker(owner)
        tx.workers.add(second)
        runs = []
        for n in range(10):
            worker_id = second.id if n % 3 == 0 else first
            state = states[n % 4]
            changes: dict[str, Any] = {"state": state, "created_at": 100 + n}
            if state.terminal:
                changes["finished_at"] = 200 - n  # not in the order of the list
            runs.append(records.seed_run(tx, owner, worker_id, **changes))
        stranger, other = records.seed(tx)
        records.seed_run(tx, stranger, other)
        return owner, second.id, runs

    added: tuple[str, str, list[Run]] = await state.write(work)
    return added


async def test_pages_are_filtered_counted_and_newest_first(state: State) -> None:
    owner, second, runs = await make_list(state)

    async def page(filter: RunFilter, offset: int = 0, limit: int = 20) -> tuple[int, list[Run]]:
        result: tuple[int, list[Run]] = await state.read(
            lambda tx: tx.runs.page(owner, filter, offset=offset, limit=limit)
        )
        return result

    newest = runs[::-1]
    ends = (RunState.SUCCEEDED, RunState.FAILED)
    assert await page(RunFilter()) == (10, newest)
    assert await page(RunFilter(), 2, 3) == (10, newest[2:5])
    assert await page(RunFilter(), 20, 3) == (10, [])
    assert await page(RunFilter(states=(RunState.READY,))) == (
        3,
        [runs[8], runs[4], runs[0]],
    )
    assert await page(RunFilter(states=ends), 1, 2) == (4, [runs[6], runs[3]])
    assert await page(RunFilter(worker_id=second), 1, 2) == (4, [runs[6], runs[3]])
    assert await page(RunFilter(worker_id="none")) == (0, [])
    assert await page(RunFilter(created_from=103, created_until=106)) == (3, runs[5:2:-1])
    assert await page(RunFilter(ends, None, 103, 107)) == (2, [runs[6], runs[3]])


@pytest.mark.parametrize("narrow", [0, NARROW])
async def test_pages_of_a_worker_and_states(
    state: State, monkeypatch: pytest.MonkeyPatch, narrow: int
) -> None:
    """The same with a few matches, which are sorted, and with many."""
    monkeypatch.setattr(store, "NARROW", narrow)
    owner, second, runs = await make_list(state)

    async def page(filter: RunFilter, offset: int = 0, limit: int = 20) -> tuple[int, list[Run]]:
        result: tuple[int, list[Run]] = await state.read(
            lambda tx: tx.runs.page(owner, filter, offset=offset, limit=limit)
        )
        return result

    ends = (RunState.SUCCEEDED, RunState.FAILED)
    assert await page(RunFilter(ends, second)) == (2, [runs[6], runs[3]])
    assert await page(RunFilter(ends, second), 1, 1) == (2, [runs[3]])
    assert await page(RunFilter(ends, second), 2) == (2, [])
    assert await page(RunFilter((*ends, RunState.READY), second)) == (
        3,
        [runs[6], runs[3], runs[0]],
    )
    assert await page(RunFilter((RunState.READY,), second)) == (1, [runs[0]])
    assert await page(RunFilter((RunState.ABORTED,), second)) == (0, [])
    assert await page(RunFilter(ends, second, 104)) == (1, [runs[6]])
    assert await page(RunFilter(ends, second, 0, 106)) == (1, [runs[3]])


@pytest.mark.parametrize("narrow", [0, 1, 6, 20])
async def test_runs_of_a_worker_within_times_are_counted(
    state: State, monkeypatch: pytest.MonkeyPatch, narrow: int
) -> None:
    """By their states, or as all but those of other states."""
    monkeypatch.setattr(store, "NARROW", narrow)
    owner, second, runs = await make_list(state)

    def add_succeeded(tx: Transaction) -> list[Run]:
        changes = {"state": RunState.SUCCEEDED, "finished_at": 200}
        return [
            records.seed_run(tx, owner, second, created_at=110 + n, **changes) for n in range(6)
        ]

    runs += await state.write(add_succeeded)
    used = sorted({run.state for run in runs})
    subsets = [states for n in range(1, 5) for states in combinations(used, n)]
    for states in [*subsets, (*used, RunState.ABORTED), tuple(RunState)]:
        for since, until in ((101, 0), (0, 112), (103, 107), (104, 105)):
            asked = RunFilter(states, second, since, until)
            expected = [
                run
                for run in reversed(runs)
                if run.worker_id == second
                and run.state in states
                and since <= run.created_at < (until or 999)
            ]
            found = await state.read(
                lambda tx, of=asked: tx.runs.page(owner, of, offset=0, limit=20)
            )
            assert found == (len(expected), expected), asked


async def test_a_page_scans_no_further_than_its_last_run(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "NARROW", 0)
    owner, second, runs = await make_list(state)
    ready = RunFilter((RunState.READY,), second)
    with executed() as statements:
        page = await state.read(lambda tx: tx.runs.page(owner, ready, offset=0, limit=77))
    assert page == (1, [runs[0]])
    statement, values = statements[-1]
    assert " LIMIT " in statement
    used = list(values.values() if isinstance(values, dict) else values)
    assert 77 not in used
    assert 1 in used


async def test_the_newest_run_is_that_of_the_account_and_of_its_worker(state: State) -> None:
    owner, second, runs = await make_list(state)

    async def newest(worker_id: str | None = None, account: str = owner) -> str | None:
        run_id: str | None = await state.read(lambda tx: tx.runs.newest(account, worker_id))
        return run_id

    first = runs[1].worker_id
    assert await newest() == runs[9].id
    assert (await newest(second), await newest(first)) == (runs[9].id, runs[8].id)
    await state.write(lambda tx: tx.runs.delete(runs[9].id))
    assert (await newest(), await newest(second)) == (runs[8].id, runs[6].id)
    assert await newest("none") is None
    assert await newest(account="unknown") is None


async def test_counts_follow_moves_and_removals(state: State) -> None:
    owner, _, runs = await make_list(state)
    aborted = RunFilter(states=(RunState.ABORTED,))

    def work(tx: Transaction) -> int:
        tx.runs.move(replace(runs[0], state=RunState.ABORTED), RunState.READY)
        tx.runs.move(replace(runs[4], state=RunState.ABORTED), RunState.RUNNING)  # no effect
        tx.runs.delete(runs[1].id)
        return tx.runs.page(owner, aborted, offset=0, limit=1)[0]

    assert await state.write(work) == 1
    total = await state.read(lambda tx: tx.runs.page(owner, RunFilter(), offset=0, limit=1)[0])
    assert total == 9
    differences = check(state.storage.engine)
    # the test does not use the service that ends runs, which also adds to the usage by day
    assert [line for line in differences if "count" in line and "by day" not in line] == []


async def test_deletion_keeps_only_the_ledger(state: State) -> None:
    run = await seeded(state, 2)
    [lease, _] = await leased(state)
    entry = replace(records.entry(run.account_id, "usage", -5), run_id=run.id)

    def fill(tx: Transaction) -> None:
        tx.runs.add_event(records.event(run.id))
        tx.outbox.add(records.delivery(run.account_id, run.id))
        tx.ledger.append(entry)
        tx.runs.delete(run.id)
        tx.runs.delete(run.id)

    await state.write(fill)

    def read_remains(tx: Transaction) -> list[Any]:
        left = tx.runs.get(run.id), tx.runs.attempt(lease.attempt.id)
        lists = tx.runs.subtasks(run.id), tx.runs.attempts(run.id), tx.runs.events(run.id)
        return [*left, *lists, tx.outbox.of_run(run.id)]

    assert await state.read(read_remains) == [None, None, [], [], [], []]
    [kept] = await state.read(lambda tx: tx.ledger.entries(run.account_id, limit=9))
    assert kept == entry


async def test_finished_runs_are_found_by_age(state: State) -> None:
    def work(tx: Transaction) -> list[Run]:
        owner, worker_id = records.seed(tx)
        ends = [
            (RunState.SUCCEEDED, 30), (RunState.FAILED, 10), (RunState.ABORTED, 20),
            (RunState.RUNNING, 0), (RunState.SUCCEEDED, 40),
        ]  # fmt: skip
        return [
            records.seed_run(tx, owner, worker_id, state=state, finished_at=at)
            for state, at in ends
        ]

    created = await state.write(work)
    old = await state.read(lambda tx: tx.runs.finished_before(40, 10))
    assert old == [created[1].id, created[2].id, created[0].id]
    assert await state.read(lambda tx: tx.runs.finished_before(40, 1)) == [created[1].id]

    def after(last: tuple[int, str], limit: int = 10) -> Any:
        return state.read(lambda tx: tx.runs.finished_after(last, 40, limit))

    ended = await after((0, ""))
    assert [run_id for _, run_id in ended] == old
    assert await after((0, ""), 2) == ended[:2]
    assert [await after(last) for last in ended] == [ended[1:], ended[2:], []]


# --- subtasks --------------------------------------------------------------------


async def test_a_subtask_ends_once(state: State) -> None:
    run = await seeded(state, 3)

    def end(ordinal: int, outcome: Outcome) -> Any:
        return state.write(lambda tx: tx.runs.end_subtask(run.id, ordinal, End(outcome, "why")))

    assert await end(1, Outcome.TIMEOUT)
    assert not await end(1, Outcome.SUCCEEDED)
    assert not await end(7, Outcome.SUCCEEDED)
    await leased(state, replace(WIDE, slots=1))
    ended = await state.write(
        lambda tx: tx.runs.end_waiting_subtasks(run.id, End(Outcome.ABORTED, "stopped"))
    )
    assert ended == 1
    first, second, third = await state.read(lambda tx: tx.runs.subtasks(run.id))
    assert (first.state, first.outcome) == (SubtaskState.RUNNING, None)
    assert (second.state, second.outcome, second.err_msg) == ("ended", Outcome.TIMEOUT, "why")
    assert (third.state, third.outcome, third.err_msg) == ("ended", Outcome.ABORTED, "stopped")


async def test_subtasks_are_counted_by_the_reason_of_their_end(state: State) -> None:
    run = await seeded(state, 4)
    busy = End(Outcome.EXIT_CODE, "why", Reason.of(ReasonCode.BROWSER_BUSY, seconds=55))
    words = Reason.of(ReasonCode.BROWSER_BUSY, needed_mb=400, last_words="no")
    short = End(Outcome.EXIT_CODE, "why", words)
    texts = Reason.of(ReasonCode.BROWSER_BUSY, last_words='it said {"needed_mb": 1}')
    other = End(Outcome.EXIT_CODE, "why", texts)
    for ordinal, end in enumerate((busy, SUCCESS, short, other)):
        await state.write(lambda tx, n=ordinal, end=end: tx.runs.end_subtask(run.id, n, end))

    async def count(run_id: str, reason: ReasonCode, param: str = "") -> int:
        counted: int = await state.read(lambda tx: tx.runs.count_subtasks(run_id, reason, param))
        return counted

    assert await count(run.id, ReasonCode.BROWSER_BUSY) == 3
    assert await count(run.id, ReasonCode.BROWSER_BUSY, "needed_mb") == 1
    assert await count(run.id, ReasonCode.TIMEOUT) == 0
    assert await count("nothing", ReasonCode.BROWSER_BUSY) == 0


async def test_ended_subtasks_are_counted(state: State) -> None:
    run = await seeded(state, 5)
    [first, second] = await leased(state, replace(WIDE, slots=2))

    async def left() -> int:
        counted: int = await state.read(lambda tx: tx.runs.subtasks_left(run.id))
        stored = await state.read(lambda tx: tx.runs.subtasks(run.id))
        assert counted == sum(part.state is not SubtaskState.ENDED for part in stored)
        return counted

    def end(ordinal: int) -> Any:
        return state.write(lambda tx: tx.runs.end_subtask(run.id, ordinal, SUCCESS))

    assert await left() == 5
    await end(first.attempt.ordinal)
    await end(first.attempt.ordinal)  # again, which changes nothing
    assert await left() == 4
    await state.write(lambda tx: tx.runs.return_subtask(run.id, second.attempt.ordinal, 0))
    started = replace(run, state=RunState.RUNNING)  # read before the end of a subtask
    assert await state.write(lambda tx: tx.runs.move(started, RunState.READY))
    assert await left() == 4
    await leased(state, replace(WIDE, slots=1))
    await state.write(lambda tx: tx.runs.end_waiting_subtasks(run.id, End(Outcome.ABORTED)))
    assert await left() == 1
    assert await state.read(lambda tx: tx.runs.subtasks_left("nothing")) == 0


# --- attempts -------------------------------------------------------------------------------


async def test_only_the_token_renews_starts_and_ends(state: State) -> None:
    await seeded(state)
    [lease] = await leased(state)
    attempt: Attempt = lease.attempt
    used = AttemptUsage(2**40, cpu_ms=5, memory_peak_bytes=2**35, busy_ms=2**33)

    def renewal(token: int) -> Renewal:
        return Renewal(attempt.id, token, used)

    async def renew(token: int, until: int) -> frozenset[str]:
        def work(tx: Transaction) -> frozenset[str]:
            return tx.runs.renew([renewal(token)], until - tx.now).tokens.keys()

        return await state.write(work)

    async def all_three(token: int) -> list[bool]:
        final = AttemptUsage(9, cpu_ms=8, memory_peak_bytes=7, busy_ms=6, rows=99)
        ended = AttemptEnd(End(Outcome.EXIT_CODE, "code 1", CODE_1), final)
        key = replace(attempt.key, token=token)
        return [
            await renew(token, 500) == {attempt.id},
            await state.write(lambda tx: tx.runs.start_attempt(key, 55)),
            await state.write(lambda tx: tx.runs.end_attempt(key, ended, 4, 66)),
        ]

    assert await all_three(0) == [False, False, False]
    assert await all_three(2) == [False, False, False]
    assert await state.read(lambda tx: tx.runs.attempt(attempt.id)) == attempt
    assert await renew(1, 300) == {attempt.id}
    assert await state.read(lambda tx: tx.runs.usage(attempt.run_id)) == used
    assert await all_three(1) == [True, True, True]
    assert await all_three(1) == [False, False, False]
    stored = await state.read(lambda tx: tx.runs.attempt(attempt.id))
    assert (stored.outcome, stored.err_msg, stored.rows) == (Outcome.EXIT_CODE, "code 1", 4)
    assert stored.reason == CODE_1
    assert (stored.traffic_bytes, stored.cpu_ms, stored.memory_peak_bytes) == (9, 8, 7)
    assert (stored.busy_ms, stored.started_at, stored.finished_at, stored.lease_until) == (
        6,
        55,
        66,
        500,
    )


async def test_a_reason_is_stored_with_run_subtask_and_event(state: State) -> None:
    run = await seeded(state)
    moved = replace(run, state=RunState.FAILED, err_msg="code 1", reason=CODE_1)

    def work(tx: Transaction) -> None:
        assert tx.runs.move(moved, run.state)
        assert tx.runs.end_subtask(run.id, 0, End(Outcome.EXIT_CODE, "code 1", CODE_1))
        tx.runs.add_event(records.event(run.id, detail="code 1", reason=CODE_1))

    await state.write(work)

    def read(tx: Transaction) -> tuple[Any, Any, Any, Any]:
        line = tx.run_lists.lines(run.account_id, [run.id])[run.id]
        return tx.runs.get(run.id), tx.runs.subtasks(run.id)[0], tx.runs.events(run.id)[-1], line

    assert [item.reason for item in await state.read(read)] == [CODE_1] * 4


async def test_an_unknown_reason_code_shows_the_stored_sentence(state: State) -> None:
    run = await seeded(state, outcome=Outcome.TIMEOUT, err_msg="stored", reason=CODE_1)

    def spoil(tx: Transaction) -> None:
        tx.runs._db.execute(text("UPDATE runs SET reason_code = 'unheard_of'"))

    await state.write(spoil)
    stored = await state.read(lambda tx: tx.runs.get(run.id))
    assert (stored.reason, stored.err_msg) == (None, "stored")


async def end(state: State, attempt: Attempt, outcome: Outcome, **changes: Any) -> None:
    rows = changes.pop("rows", 0)
    ended = AttemptEnd(End(outcome), AttemptUsage(**changes))
    assert await state.write(lambda tx: tx.runs.end_attempt(attempt.key, ended, rows, 9))


async def test_active_attempts_are_listed_with_their_leases(state: State) -> None:
    await seeded(state, 4)
    [first] = await leased(state, replace(WIDE, slots=1), "r1", 300)
    [second] = await leased(state, replace(WIDE, slots=1), "r1", 200)
    [third] = await leased(state, replace(WIDE, slots=1), "r2", 100)
    [fourth] = await leased(state, replace(WIDE, slots=1), "r2", 50)
    await end(state, fourth.attempt, Outcome.SUCCEEDED)
    order = [first.attempt, second.attempt, third.attempt]

    async def ids(work: Any) -> set[str]:
        return {attempt.id for attempt in await state.read(work)}

    assert await ids(lambda tx: tx.runs.active_attempts()) == {a.id for a in order}
    assert await ids(lambda tx: tx.runs.active_attempts("r2")) == {order[2].id}
    assert await ids(lambda tx: tx.runs.active_attempts("r3")) == set()
    leases = await state.read(lambda tx: tx.runs.leases())
    assert leases == {a.id: a.lease_until for a in order}
    assert sorted(leases.values()) == [100, 200, 300]
    every = await state.read(lambda tx: tx.runs.attempts(first.run.id))
    assert [a.ordinal for a in every] == [0, 1, 2, 3]


async def test_whether_an_attempt_has_started_is_known_until_it_is_returned(state: State) -> None:
    run = await seeded(state, 2)
    one, other = await leased(state)

    async def has_started(run_id: str) -> bool:
        return await state.read(lambda tx: tx.runs.has_started(run_id))

    assert not await has_started(run.id)
    assert await state.write(lambda tx: tx.runs.start_attempt(one.attempt.key, 5))
    assert await has_started(run.id)
    key = one.attempt.key
    assert await state.write(
        lambda tx: tx.runs.return_attempt(key, "away", CODE_1, 9, unstarted_only=False)
    )
    assert not await has_started(run.id)
    assert await state.write(lambda tx: tx.runs.start_attempt(other.attempt.key, 5))
    await end(state, other.attempt, Outcome.SUCCEEDED)
    assert await has_started(run.id)
    assert not await has_started("nothing")


async def test_usage_is_summed_and_hidden_rows_are_subtracted(state: State) -> None:
    run = await seeded(state, 4)
    outcomes = [Outcome.EXIT_CODE, Outcome.SIGNAL, Outcome.RUNNER_LOST]
    received = await leased(state)
    for n, outcome in enumerate(outcomes):
        await end(
            state, received[n].attempt, outcome, traffic_bytes=10, cpu_ms=n, memory_peak_bytes=n * 7
        )
    hidden = await state.read(lambda tx: tx.runs.hidden_attempts(run.id))
    assert hidden == {received[0].attempt.id, received[1].attempt.id}
    waiting = await seeded(state, 1)
    asked = [run.id, waiting.id, "nothing"]
    assert await state.read(lambda tx: tx.runs.hidden_by_run(asked)) == {run.id: hidden}
    assert await state.read(lambda tx: tx.runs.hidden_by_run([])) == {}
    assert await state.read(lambda tx: tx.runs.usage(run.id)) == AttemptUsage(30, 3, 14)
    assert await state.read(lambda tx: tx.runs.usage("nothing")) == AttemptUsage()
    keeping = open_storage(state.url, durable=False, notify=print, hiding=frozenset())
    assert await keeping.read(lambda tx: tx.runs.hidden_attempts(run.id)) == frozenset()
    shown = await keeping.read(lambda tx: tx.runs.hidden_by_run(asked))
    assert shown == {run.id: frozenset()}
    last = received[3].attempt
    await state.write(lambda tx: tx.runs.set_replaced(last.id, True))
    replaced = await keeping.read(lambda tx: tx.runs.hidden_by_run(asked))
    assert replaced == {run.id: {last.id}}, "an active one, by another attempt"
    await keeping.close()


async def test_known_attempts_are_those_of_any_run(state: State) -> None:
    await seeded(state, 2)
    received = [lease.attempt.id for lease in await leased(state)]
    attempt_ids = [*received, "lost", *(f"lost {n}" for n in range(600))]
    assert await state.read(lambda tx: tx.runs.known_attempts(attempt_ids)) == set(received)
    assert await state.read(lambda tx: tx.runs.known_attempts([])) == frozenset()


# --- runners --------------------------------------------------------------------------------


async def test_runners_are_stored_and_removed(state: State) -> None:
    first = RunnerInfo("a", "node1", "full", "all checks passed", 2.0, 4096, 100)
    checks = (("pid namespace", True, "yes"), ("memory", False, 'no "controller"'))
    second = RunnerInfo("b", "node2", "none", "no namespaces", 1.5, 1024, 50, checks, unsafe=True)
    await state.write(lambda tx: [tx.runs.put_runner(r) for r in (first, second)])
    assert await state.read(lambda tx: tx.runs.runners(0)) == [first, second]
    assert await state.read(lambda tx: tx.runs.runners(51)) == [first]
    changes = {"idle_sandboxes": 2, "idle_memory": 14 * 2**20, "draining": True, "browsers": 6}
    updated = replace(second, heartbeat_at=200, cpus=4.0, browser_share=0.15, **changes)
    await state.write(lambda tx: tx.runs.put_runner(updated))
    await state.write(lambda tx: tx.runs.drop_runner("a"))
    assert await state.read(lambda tx: tx.runs.runners(0)) == [updated]
