"""Subtasks whose attempts were lost with their machine are tried again, over both databases."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fyke.contracts.signals import WORK
from fyke.contracts.state import Transaction
from fyke.domain.billing.pricing import hold
from fyke.domain.results.service import RunResults, RunRows
from fyke.domain.runs.outcome import HIDING, end_of
from fyke.domain.runs.subtask_reader import SubtaskReader
from fyke.domain.runs.transitions import Rules
from fyke.domain.runs.waiting import WaitReasons
from fyke.errors import Conflict
from fyke.model.account import Caller
from fyke.model.attempt import AttemptEnd
from fyke.model.billing import Prices
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import Attempt, Outcome, Run, RunLimits, RunState, SubtaskState
from fyke.model.runner import AttemptUsage, Lease, RunnerInfo
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, sentence
from fyke.storage.sql.dialects import for_writing
from support.run_endings import ROOM, Setup

pytestmark = pytest.mark.anyio

LIMITS = RunLimits(0.125, 512, 1800, 0, 0, max_retries=2)
ONCE = replace(LIMITS, max_retries=1)


async def lease(setup: Setup, run: Run, node: str = "n1", *, start: bool = True) -> Lease:
    """The waiting subtask of the run, leased to a runner on ``node``."""
    found = await setup.storage.write(
        lambda tx: tx.runs.lease(f"r-{node}", ROOM, tx.now + 60_000, node=node)
    )
    [leased] = [one for one in found if one.run.id == run.id]
    if start:
        await setup.results.open_attempt(run.id, leased.attempt.id)
        await setup.attempts.started(leased.attempt.key, leased.attempt.runner_id, node)
    return leased  # type: ignore[no-any-return]


async def lose(setup: Setup, lost: Lease) -> None:
    """End the attempt as the lease timer does."""
    until = (await setup.attempts.check_leases())[lost.attempt.id]
    assert await setup.attempts.end_expired(lost.attempt.id, until)


async def stop(setup: Setup, lost: Lease, code: ReasonCode) -> Any:
    """End the attempt as its runner does when it is stopped."""
    ended = AttemptEnd(end_of(Reason(code)), AttemptUsage())
    return await setup.attempts.ended(lost.attempt.key, ended, actor="test")


def end_pauses(setup: Setup) -> None:
    """Let waiting subtasks be leased at once."""
    with for_writing(setup.storage.engine).begin() as connection:
        connection.exec_driver_sql("UPDATE subtasks SET not_before = 0")


def owner_of(run: Run) -> Caller:
    return Caller(run.account_id, "acme", False, "u", "k")


async def push(setup: Setup, to: Lease, *names: str) -> None:
    rows = [PushedRow(b'{"n":"%s"}' % name.encode()) for name in names]
    assert await setup.results.commit([AttemptBatch(to.run.id, to.attempt.id, rows)]) == [True]


async def shown(setup: Setup, run: Run, size: int = 2) -> list[str]:
    """The rows of the run as a reader of pages and one with a cursor get them."""
    hidden = await setup.storage.read(lambda tx: tx.runs.hidden_attempts(run.id))
    reader = RunResults(setup.storage, setup.results)
    source = RunRows(await setup.stored(run), hidden, "")
    paged, index = [], 1
    while rows := (await reader.plain_page(source, index, size)).rows:
        paged += rows
        index += 1
    walked = await setup.results.rows_after(run.id, hidden, position=0, limit=1000)
    assert paged == walked
    return [row.data.decode()[6:-2] for row in paged]


async def attempts_of(setup: Setup, run: Run) -> list[Attempt]:
    return await setup.storage.read(lambda tx: tx.runs.attempts(run.id))  # type: ignore[no-any-return]


async def test_a_lost_attempt_is_followed_by_another_whose_rows_replace_its_own(
    setup: Setup,
) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await push(setup, first, "a", "b", "c")
    setup.notified.clear()
    await lose(setup, first)
    waiting = await setup.stored(run)
    assert (waiting.state, waiting.finished_at) == (RunState.RUNNING, 0)
    assert WORK in setup.notified
    assert await shown(setup, run) == ["a", "b", "c"], "until the retry begins"
    second = await lease(setup, run)
    assert await shown(setup, run) == []
    await push(setup, second, "a", "b", "c", "d")
    assert await shown(setup, run) == ["a", "b", "c", "d"]
    await setup.end(second)
    now = await setup.check_ended_once(run)
    assert (now.state, now.results, now.started_at) == (RunState.SUCCEEDED, 4, waiting.started_at)
    lost, last = await attempts_of(setup, run)
    assert (lost.outcome, lost.rows, lost.replaced) == (Outcome.RUNNER_LOST, 3, True)
    assert (last.outcome, last.rows, last.replaced) == (Outcome.SUCCEEDED, 4, False)


async def test_the_events_and_the_log_say_that_it_is_tried_again(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await lose(setup, first)
    [event] = [e for e in await setup.events(run) if e.kind == "AttemptLost"]
    text = "it is tried again (1 of 2), because its machine was lost"
    assert (event.detail, event.before, event.after) == (text, "running", "running")
    assert event.number == first.attempt.number
    lines = [entry.content for entry in await setup.results.log_tail(run.id, 10)]
    prefix = f"SYSTEM: Subtask-[{first.attempt.number}] - "
    assert lines == [
        f"{prefix}The runner was lost while the Worker was running; its rows are kept",
        f"{prefix}I{text[1:]}",
    ]


async def test_a_retry_does_not_depend_on_its_line(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(run_id: str, attempt_id: str) -> None:
        raise Conflict("the rows of this run are closed")

    run, [first] = await setup.start(limits=LIMITS)
    with monkeypatch.context() as patch:
        patch.setattr(setup.results, "open_attempt", refuse)
        assert (await stop(setup, first, ReasonCode.RUNNER_LOST)).state is RunState.RUNNING
    assert [e.kind for e in await setup.events(run)].count("AttemptLost") == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ReasonCode.NODE_DRAINED, "its machine was taken out of service"),
        (ReasonCode.PLATFORM_STOPPED, "the platform was stopped"),
        (ReasonCode.RUNNER_LOST, "its machine was lost"),
    ],
)
async def test_an_attempt_that_its_runner_had_to_stop_is_tried_again(
    setup: Setup, code: ReasonCode, words: str
) -> None:
    run, [first] = await setup.start(limits=ONCE)
    assert (await stop(setup, first, code)).state is RunState.RUNNING
    assert (await setup.events(run))[-1].detail == f"it is tried again (1 of 1), because {words}"
    await setup.end(await lease(setup, run, "n2"))
    assert (await setup.check_ended_once(run)).state is RunState.SUCCEEDED


async def test_attempts_of_an_earlier_runner_of_the_place_are_tried_again(setup: Setup) -> None:
    run, [first] = await setup.start(limits=ONCE)

    def register(tx: Transaction) -> None:
        for name in ("r1", "r2"):
            info = RunnerInfo(name, "n1", "full", "", 8, 4096, tx.now, place="here")
            tx.runs.put_runner(info)

    await setup.storage.write(register)
    assert await setup.attempts.end_of_earlier_runners("here", "r2") == 1
    assert await setup.attempts.end_of_earlier_runners("here", "r2") == 0
    again = await lease(setup, run)
    assert again.attempt.id != first.attempt.id
    await setup.end(again)
    assert (await setup.check_ended_once(run)).state is RunState.SUCCEEDED


async def test_other_machines_are_the_first_to_take_what_one_has_lost(setup: Setup) -> None:
    run, [first] = await setup.start(limits=ONCE)
    with for_writing(setup.storage.engine).begin() as connection:
        connection.exec_driver_sql("UPDATE attempts SET node = 'n1'")

    def register(tx: Transaction) -> None:
        for node in ("n1", "n2"):
            tx.runs.put_runner(RunnerInfo(f"r-{node}", node, "full", "", 8, 4096, tx.now))

    await setup.storage.write(register)
    await lose(setup, first)
    capacity = replace(ROOM, total=(100, 10**6))
    none = await setup.storage.write(
        lambda tx: tx.runs.lease("r-n1", capacity, tx.now + 60_000, node="n1")
    )
    assert none == []
    assert (await lease(setup, run, "n2")).attempt.node == "n2"


async def test_an_end_that_is_repeated_is_followed_by_one_retry(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    for _ in range(3):
        assert (await stop(setup, first, ReasonCode.NODE_DRAINED)).state is RunState.RUNNING
    second = await lease(setup, run)
    await setup.attempts.started(second.attempt.key, second.attempt.runner_id, "n1")
    assert (await stop(setup, first, ReasonCode.NODE_DRAINED)).state is RunState.RUNNING
    kinds = [event.kind for event in await setup.events(run)]
    assert kinds == ["AttemptStarted", "AttemptLost", "AttemptStarted"]
    await setup.end(second)
    assert len(await attempts_of(setup, run)) == 2
    await setup.check_ended_once(run)


async def test_without_retries_a_lost_attempt_ends_its_subtask(setup: Setup) -> None:
    run, [first] = await setup.start(limits=replace(LIMITS, max_retries=0))
    await push(setup, first, "a")
    await lose(setup, first)
    now = await setup.check_ended_once(run)
    assert (now.state, now.outcome, now.results) == (RunState.FAILED, Outcome.RUNNER_LOST, 1)


async def test_when_the_retries_are_used_up_the_most_rows_are_shown(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    pushed = (("a",), ("a", "b", "c"), ("a", "b"))
    leased = first
    for number, rows in enumerate(pushed):
        if number:
            leased = await lease(setup, run)
        await push(setup, leased, *rows)
        await lose(setup, leased)
        end_pauses(setup)
    now = await setup.check_ended_once(run)
    assert (now.state, now.outcome, now.results) == (RunState.FAILED, Outcome.RUNNER_LOST, 3)
    assert await shown(setup, run) == ["a", "b", "c"]
    assert [a.replaced for a in await attempts_of(setup, run)] == [True, False, True]


async def test_only_the_first_retry_begins_without_a_pause(setup: Setup) -> None:
    run, [leased] = await setup.start(limits=replace(LIMITS, max_retries=3))

    async def pause() -> int:
        def read(tx: Transaction) -> int:
            [subtask] = tx.runs.subtasks(run.id)
            assert subtask.state is SubtaskState.WAITING
            last = tx.runs.attempts(run.id)[-1]
            return subtask.not_before - last.finished_at

        found: int = await setup.storage.read(read)
        end_pauses(setup)
        return found

    pauses = []
    for _ in range(3):
        await lose(setup, leased)
        pauses.append(await pause())
        leased = await lease(setup, run)
    assert pauses == [0, 1000, 2000]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.EXIT_CODE, Outcome.SIGNAL, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT,
        Outcome.DISK_CAP, Outcome.INSTALL_FAILED, Outcome.INTERNAL,
    ],
)  # fmt: skip
async def test_no_other_failure_is_tried_again(setup: Setup, outcome: Outcome) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await setup.end(first, outcome)
    now = await setup.check_ended_once(run)
    assert (now.state, now.outcome) == (RunState.FAILED, outcome)


async def test_a_run_that_is_being_aborted_is_not_tried_again(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await push(setup, first, "a")
    await setup.abort(run)
    await lose(setup, first)
    now = await setup.check_ended_once(run)
    assert (now.state, now.results) == (RunState.ABORTED, 1)


async def test_rows_stay_when_the_retry_never_comes(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await push(setup, first, "a", "b")
    await lose(setup, first)
    assert (await setup.abort(run)).state is RunState.ABORTED
    assert (await setup.check_ended_once(run)).results == 2
    assert await shown(setup, run) == ["a", "b"]


@pytest.mark.parametrize(
    ("outcome", "rows", "expected"),
    [
        (Outcome.EXIT_CODE, ["a", "b", "c"], ["a", "b"]),  # hidden, because the Worker failed
        (Outcome.TIMEOUT, ["a"], ["a", "b"]),
        (Outcome.TIMEOUT, ["a", "b", "c"], ["a", "b", "c"]),
        (Outcome.SUCCEEDED, ["a"], ["a"]),
    ],
)
async def test_rows_stay_when_the_retry_fails_with_fewer(
    setup: Setup, outcome: Outcome, rows: list[str], expected: list[str]
) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await push(setup, first, "a", "b")
    await lose(setup, first)
    second = await lease(setup, run)
    await push(setup, second, *rows)
    await setup.end(second, outcome)
    assert (await setup.check_ended_once(run)).results == len(expected)
    assert await shown(setup, run) == expected


async def test_an_aborted_retry_leaves_the_most_rows(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await push(setup, first, "a", "b")
    await lose(setup, first)
    second = await lease(setup, run)
    await setup.abort(run)
    await setup.end(second, Outcome.ABORTED)
    assert (await setup.check_ended_once(run)).results == 2


async def test_replaced_rows_are_not_those_of_a_worker_that_failed(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await push(setup, first, "a")
    await lose(setup, first)
    second = await lease(setup, run)
    await push(setup, second, "a", "b")
    await setup.end(second)
    reader, caller = RunResults(setup.storage, setup.results), owner_of(run)
    assert await reader.hidden_count(caller, run.id) == 0
    source = await reader.source(caller, run.id, failed_rows=True)
    assert (await reader.totals(source)).rows == 2


async def test_a_retry_that_returns_to_the_queue_leaves_the_rows_of_the_lost_attempt(
    setup: Setup,
) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await push(setup, first, "a")
    await lose(setup, first)
    second = await lease(setup, run)
    assert await shown(setup, run) == []
    fault = Detail(DetailCode.EGRESS_AWAY)
    await setup.attempts.give_back(second.attempt.key, fault, actor="test")
    assert await shown(setup, run) == ["a"]
    assert (await setup.stored(run)).state is RunState.RUNNING


async def test_upserts_of_the_retry_are_not_merged_into_replaced_rows(setup: Setup) -> None:
    run, [first, other] = await setup.start(2, limits=LIMITS)

    async def upsert(to: Lease, data: bytes) -> None:
        row = PushedRow(data, "id", "1")
        assert await setup.results.commit([AttemptBatch(run.id, to.attempt.id, [row])]) == [True]

    await upsert(first, b'{"id":1,"old":true}')
    await lose(setup, first)
    second = await lease(setup, run)
    await upsert(second, b'{"id":1,"new":true}')
    await setup.end(second)
    await upsert(other, b'{"id":1,"more":true}')
    await setup.end(other)
    hidden = await setup.storage.read(lambda tx: tx.runs.hidden_attempts(run.id))
    rows = await setup.results.rows_after(run.id, hidden, position=0, limit=10)
    assert [row.data for row in rows] == [b'{"id":1,"new":true,"more":true}']


async def test_other_subtasks_go_on_and_the_run_ends_after_the_retry(setup: Setup) -> None:
    run, [first, other] = await setup.start(2, limits=LIMITS)
    await push(setup, first, "a")
    await push(setup, other, "x")
    await lose(setup, first)
    assert (await setup.end(other)).state is RunState.RUNNING
    again = await lease(setup, run)
    assert again.attempt.number == first.attempt.number
    await push(setup, again, "a")
    await setup.end(again)
    now = await setup.check_ended_once(run)
    assert (now.state, now.results, now.subtasks_succeeded) == (RunState.SUCCEEDED, 2, 2)


async def test_all_attempts_are_charged_and_count_for_the_cap(setup: Setup) -> None:
    prices = Prices(cpu_hour=Decimal(3600))  # a dollar a second
    setup.rules = Rules(prices, HIDING, 1000, "")
    limits = RunLimits(1, 512, 100, 0, 0, max_retries=1)
    held = hold(prices, limits, subtasks=1, available=10**12).micros
    assert held == 2 * hold(prices, replace(limits, max_retries=0), subtasks=1, available=0).micros
    run, [first] = await setup.start(limits=limits, hold_micros=held)
    usage = AttemptUsage(busy_ms=90_000)
    ended = AttemptEnd(end_of(Reason(ReasonCode.NODE_DRAINED)), usage)
    await setup.attempts.ended(first.attempt.key, ended, actor="test")
    await setup.end(await lease(setup, run), busy_ms=50_000)
    now = await setup.check_ended_once(run)
    assert (now.state, now.busy_ms, now.usage_micros) == (RunState.SUCCEEDED, 140_000, 140_000_000)


async def test_a_run_that_has_reached_a_cap_is_not_tried_again(setup: Setup) -> None:
    setup.rules = Rules(Prices(cpu_hour=Decimal(3600)), HIDING, 1000, "")
    limits = RunLimits(1, 512, 100, 0, 0, max_retries=1)
    run, [first] = await setup.start(limits=limits, hold_micros=10_000_000)
    ended = AttemptEnd(end_of(Reason(ReasonCode.NODE_DRAINED)), AttemptUsage(busy_ms=11_000))
    await setup.attempts.ended(first.attempt.key, ended, actor="test")
    assert (await setup.check_ended_once(run)).state is RunState.FAILED
    by_traffic = RunLimits(1, 512, 100, 0, 1_000_000, max_retries=1)
    run, [first] = await setup.start(limits=by_traffic)
    over = AttemptUsage(traffic_bytes=1_000_001)
    ended = AttemptEnd(end_of(Reason(ReasonCode.NODE_DRAINED)), over)
    await setup.attempts.ended(first.attempt.key, ended, actor="test")
    assert (await setup.check_ended_once(run)).outcome is Outcome.TRAFFIC_CAP


async def test_a_run_that_waits_for_a_retry_says_so(setup: Setup) -> None:
    run, [first] = await setup.start(limits=LIMITS)
    await setup.storage.write(
        lambda tx: tx.runs.put_runner(RunnerInfo("r9", "n9", "full", "", 8, 4096, tx.now))
    )
    caller, waits = owner_of(run), WaitReasons(setup.storage, setup.rules)
    assert (await waits.reason(caller, run.id)).reason is None
    await lose(setup, first)
    reason = (await waits.reason(caller, run.id)).reason
    assert reason is not None and reason.code is ReasonCode.RETRY
    assert sentence(reason) == "it is tried again (1 of 2), because its machine was lost"
    _, [view] = await SubtaskReader(setup.storage).page(caller, run.id, offset=0, limit=10)
    assert (view.retry, view.subtask.state) == (reason, SubtaskState.WAITING)
    again = await lease(setup, run, "n2")
    assert (await waits.reason(caller, run.id)).reason is None
    await lose(setup, again)
    operator = replace(caller, operator=True)
    reason = (await waits.reason(operator, run.id)).reason
    assert reason is not None
    assert sentence(reason) == "it is tried again (2 of 2), because the machine n2 was lost"
    reason = (await waits.reason(caller, run.id)).reason
    assert reason is not None and "n2" not in str(reason)


@pytest.mark.parametrize("seed", range(12))
async def test_rows_of_two_attempts_of_a_subtask_are_never_shown_together(
    setup: Setup, seed: int
) -> None:
    rng = random.Random(seed)
    run, leases = await setup.start(3, limits=replace(LIMITS, max_retries=3))
    active = {one.attempt.ordinal: one for one in leases}
    pushed: dict[str, list[str]] = {one.attempt.id: [] for one in leases}
    last: dict[int, Lease] = dict(active)
    count = 0

    async def check() -> None:
        visible = await shown(setup, run, rng.randint(1, 4))
        assert len(visible) == len(set(visible))
        for ordinal, latest in last.items():
            rows = [name for name in visible if name.startswith(f"{ordinal}-")]
            [whole] = [names for names in pushed.values() if names == rows] if rows else [[]]
            [state] = [a for a in await attempts_of(setup, run) if a.id == latest.attempt.id]
            if state.outcome in (None, Outcome.SUCCEEDED):
                assert rows == pushed[latest.attempt.id], "all rows of the last attempt"
            assert rows == whole

    while active:
        ordinal = rng.choice([*active])
        leased = active[ordinal]
        action = rng.random()
        if action < 0.5:
            count += 1
            name = f"{ordinal}-{leased.attempt.id[-4:]}-{count}"
            await push(setup, leased, name)
            pushed[leased.attempt.id].append(name)
        elif action < 0.7:
            await setup.end(leased, rng.choice([Outcome.SUCCEEDED, Outcome.TIMEOUT]))
            del active[ordinal]
        else:
            await lose(setup, leased)
            del active[ordinal]
            await check()
            end_pauses(setup)
            subtasks = await setup.storage.read(lambda tx: tx.runs.subtasks(run.id))
            if subtasks[ordinal].state is SubtaskState.WAITING:
                active[ordinal] = last[ordinal] = await lease(setup, run)
                pushed[active[ordinal].attempt.id] = []
        await check()
    now = await setup.check_ended_once(run)
    assert now.results == len(await shown(setup, run))
