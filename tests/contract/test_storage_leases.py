"""The contract of the state: which waiting subtasks a runner leases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.leasing import lease_waiting
from fyke.domain.runs.returns import OTHERS_FIRST_MS
from fyke.model.attempt import AttemptEnd
from fyke.model.browser import ANY_BROWSER, NO_BROWSER, BrowserMode, BrowserOffer, BrowserProgram
from fyke.model.run import MAX_PAUSE_MS, End, Outcome, RunState, SubtaskState
from fyke.model.runner import AttemptUsage, Capacity, Lease, Renewal, RunnerInfo
from fyke.reasons import Detail, DetailCode, ReasonCode, reason_with_detail
from fyke.storage.sql.state.check import check
from support.leases import WIDE, leased, seeded
from support.statements import executed

pytestmark = pytest.mark.anyio
SHELL, CHROMIUM = BrowserProgram.HEADLESS_SHELL, BrowserProgram.CHROMIUM
State = Any


async def test_leases_go_oldest_run_first_then_by_ordinal(state: State) -> None:
    first = await seeded(state, 2)
    second = await seeded(state, 2)
    received = await leased(state, replace(WIDE, slots=3), "r7", 1234)
    assert [(x.run, x.subtask.ordinal) for x in received] == [(first, 0), (first, 1), (second, 0)]
    attempt = received[2].attempt
    assert (attempt.runner_id, attempt.token, attempt.lease_until) == ("r7", 1, 1234)
    assert (attempt.run_id, attempt.ordinal, attempt.outcome) == (second.id, 0, None)
    assert attempt.number == received[2].subtask.number
    assert received[2].subtask.state is SubtaskState.RUNNING
    assert await state.read(lambda tx: tx.runs.attempt(attempt.id)) == attempt
    assert len({x.attempt.id for x in received}) == 3
    assert [x.subtask.ordinal for x in await leased(state)] == [1]
    assert await leased(state) == []
    assert check(state.storage.engine) == []


@pytest.mark.parametrize(
    "room, expected",
    [
        (Capacity(cpus=0.9, memory_mb=9000, slots=9), 3),
        (Capacity(cpus=9, memory_mb=400, slots=9), 2),
        (Capacity(cpus=9, memory_mb=9000, slots=1), 1),
        (Capacity(cpus=9, memory_mb=9000, slots=0), 0),
        (Capacity(cpus=0.29, memory_mb=9000, slots=9), 0),
    ],
)
async def test_leases_fit_the_capacity(state: State, room: Capacity, expected: int) -> None:
    await seeded(state, 5, cpus=0.3, memory_mb=200)
    assert len(await leased(state, room)) == expected


@pytest.mark.parametrize(
    "room, expected",
    [
        (Capacity(9, 9000, 9, browsers=3, browser_share=0.15), 3),
        (Capacity(0.89, 9000, 9, browsers=9, browser_share=0.15), 1),  # 0.3 + 0.15 of 1 core each
        (Capacity(9, 708, 9, browsers=9, browser_share=0.15), 2),  # 200 + 154 MiB each
        (Capacity(9, 707, 9, browsers=9, browser_share=0.15), 1),
        (Capacity(9, 9000, 9, browsers=0, browser_share=0.15), 0),
        (Capacity(1.5, 1000, 9, browser_share=0.15), 5),  # a runner without browsers
    ],
)
async def test_a_browser_is_reserved_with_the_attempt(
    state: State, room: Capacity, expected: int
) -> None:
    await seeded(state, 5, cpus=0.3, memory_mb=200, browser_cpus=1.0, browser_memory_mb=1024)
    assert len(await leased(state, room)) == expected


async def test_runners_with_attempts_of_runs_that_are_being_stopped(state: State) -> None:
    for number, (runner, stopping) in enumerate(
        [("r1", RunState.ABORTING), ("r2", None), ("r3", RunState.ENDING), ("r4", None)]
    ):
        run = await seeded(state, 2)
        taken = await leased(state, runner=runner)
        assert [lease.run.id for lease in taken] == [run.id] * 2, number
        running = replace(run, state=RunState.RUNNING, started_at=1)
        await state.write(lambda tx, to=running: tx.runs.move(to, RunState.READY))
        if stopping is not None:
            ending = replace(running, state=stopping)
            await state.write(lambda tx, to=ending: tx.runs.move(to, RunState.RUNNING))
    assert await state.read(lambda tx: tx.runs.runners_to_stop()) == {"r1", "r3"}


async def test_runs_without_a_browser_need_no_place_for_one(state: State) -> None:
    room = Capacity(9, 9000, 9, browsers=1, browser_share=0.15)
    first = await seeded(state, 2, browser_cpus=1.0, browser_memory_mb=1024)
    assert [x.run.id for x in await leased(state, room)] == [first.id]
    other = await seeded(state, 1)
    # the rest of the first run has to wait for a place, the other run does not
    assert [x.run.id for x in await leased(state, replace(room, browsers=0))] == [other.id]
    assert [x.run.id for x in await leased(state, room)] == [first.id]


async def test_runs_that_require_a_browser_wait_for_a_runner_that_has_one(state: State) -> None:
    needs = {"browser_cpus": 1.0, "browser_memory_mb": 1024}
    first = await seeded(state, 1, browser_required=True, **needs)
    detected = await seeded(state, 1, **needs)
    plain = await seeded(state, 1)
    without = Capacity(9, 9000, 1)
    assert [x.run.id for x in await leased(state, without)] == [detected.id]
    broken = Capacity(9, 9000, 9, browsers=3)
    assert [x.run.id for x in await leased(state, broken)] == [plain.id]
    ready = Capacity(9, 9000, 9, browsers=3, browser_ready=True)
    assert [x.run.id for x in await leased(state, ready)] == [first.id]


@pytest.mark.parametrize(
    ("asked", "offer"),
    [
        ({"browser_mode": BrowserMode.HEADFUL}, BrowserOffer((CHROMIUM,), display=True)),
        ({"browser_program": "chromium"}, BrowserOffer((CHROMIUM,))),
        ({"browser_program": "headless-shell"}, BrowserOffer((SHELL,))),
    ],
    ids=str,
)
async def test_runs_that_ask_for_another_browser_wait_for_a_runner_that_has_it(
    state: State, asked: dict[str, Any], offer: BrowserOffer
) -> None:
    needs = {"browser_cpus": 1.0, "browser_memory_mb": 1024, "browser_required": True}
    special = await seeded(state, 1, **needs, **asked)
    usual = await seeded(state, 1, **needs)
    ready = Capacity(9, 9000, 9, browsers=9, browser_ready=True)
    others = [BrowserOffer((SHELL,), display=True), BrowserOffer((CHROMIUM,))]
    unfit = next(other for other in others if other.programs != offer.programs or offer.display)
    for none in (NO_BROWSER, unfit):
        assert await state.read(lambda tx, none=none: tx.runs.has_startable(none))
    assert [x.run.id for x in await leased(state, replace(ready, offer=unfit))] == [usual.id]
    assert not await state.read(lambda tx: tx.runs.has_startable(unfit))
    assert await state.read(lambda tx: tx.runs.has_startable(offer))
    [lease] = await leased(state, replace(ready, offer=offer))
    assert lease.run.id == special.id
    assert lease.run.browser_choice == special.browser_choice


async def test_the_last_place_for_a_browser_does_not_end_the_search(state: State) -> None:
    first = await seeded(state, 3, browser_cpus=1.0, browser_memory_mb=1024)
    other = await seeded(state, 2)
    room = Capacity(9, 9000, 9, browsers=1, browser_share=0.15)
    received = [x.run.id for x in await leased(state, room)]
    assert received == [first.id, other.id, other.id]


async def test_a_large_run_is_not_passed_over(state: State) -> None:
    await seeded(state, 1, cpus=0.5)
    large = await seeded(state, 1, cpus=4)
    await seeded(state, 1, cpus=0.5)
    assert len(await leased(state, Capacity(2, 10_000, 10))) == 1
    assert await leased(state, Capacity(1.5, 10_000, 10)) == []
    assert [x.run.id for x in await leased(state, Capacity(4, 10_000, 10))] == [large.id]


LARGE = RunnerInfo(
    "large", "node", "full", "", 8, 10_000, 0, browsers=4, browser_share=0.5,
    browser_programs=(SHELL,),
)  # fmt: skip
BROWSER = {"browser_cpus": 2.0, "browser_memory_mb": 1000}


async def taken(state: State, capacity: Capacity, *, idle: bool) -> list[Lease]:
    """What the runner ``small`` leases."""
    return await state.write(
        lambda tx: lease_waiting(tx, "small", capacity, tx.now + 15_000, idle=idle)
    )


@pytest.mark.parametrize(
    ("other", "needs", "left"),
    [
        (LARGE, {"cpus": 4}, True),
        (LARGE, {"memory_mb": 5000}, True),
        (LARGE, {"cpus": 8.5}, False),
        (LARGE, {"cpus": 2, "memory_mb": 4000}, False),  # the small one is large enough
        (LARGE, {"cpus": 2, **BROWSER}, True),
        (LARGE, {"cpus": 1, **BROWSER}, False),
        (LARGE, {"cpus": 7, **BROWSER}, True),
        (LARGE, {"cpus": 7.5, **BROWSER}, False),
        (LARGE, {"memory_mb": 9501, **BROWSER}, False),
        (replace(LARGE, browsers=0), {"cpus": 7.5, **BROWSER}, True),  # it reserves nothing
        (LARGE, {"cpus": 4, **BROWSER, "browser_required": True}, True),
        (
            LARGE,
            {"cpus": 4, **BROWSER, "browser_required": True, "browser_program": "chromium"},
            False,
        ),
        (
            replace(LARGE, browser_problem="no seccomp"),
            {"cpus": 4, **BROWSER, "browser_required": True},
            False,
        ),
        (replace(LARGE, draining=True), {"cpus": 4}, False),
        (replace(LARGE, trouble=Detail(DetailCode.STORE_AWAY)), {"cpus": 4}, False),
        (replace(LARGE, isolation="no-limits"), {"cpus": 4}, False),
        (replace(LARGE, id="small"), {"cpus": 4}, False),
        (None, {"cpus": 4}, False),
    ],
)
async def test_a_run_that_only_another_runner_is_large_enough_for_is_left_to_it(
    state: State, other: RunnerInfo | None, needs: dict[str, Any], left: bool
) -> None:
    """It neither delays the queue of the small runner, nor runs there."""
    if other is not None:
        await state.write(lambda tx: tx.runs.put_runner(replace(other, heartbeat_at=tx.now)))
    wanted = await seeded(state, 2, **needs)
    young = await seeded(state, 1)
    small = Capacity(
        2, 4000, 4, browsers=2, browser_share=0.5, browser_ready=True, offer=ANY_BROWSER,
        total=(2, 4000),
    )  # fmt: skip
    busy = replace(small, cpus=1.0)
    passed = [x.run.id for x in await taken(state, busy, idle=False)]
    assert passed == ([young.id] if left else [])
    idle = [x.run.id for x in await taken(state, small, idle=True)]
    assert idle == ([] if left else [wanted.id])


async def test_what_another_runner_says_of_itself_is_no_part_of_a_query(state: State) -> None:
    strange = replace(LARGE, cpus=float("inf"))
    await state.write(lambda tx: tx.runs.put_runner(replace(strange, heartbeat_at=tx.now)))
    await seeded(state, 1, cpus=4)
    young = await seeded(state, 1)
    small = Capacity(2, 4000, 4, total=(2, 4000))
    leases = await taken(state, small, idle=False)
    assert [x.run.id for x in leases] == [young.id]


async def test_a_silent_runner_does_not_count(state: State) -> None:
    old = RUNNER_SILENCE_MS + 1
    await state.write(lambda tx: tx.runs.put_runner(replace(LARGE, heartbeat_at=tx.now - old)))
    run = await seeded(state, 1, cpus=4)
    small = Capacity(2, 4000, 4, total=(2, 4000))
    leases = await taken(state, small, idle=True)
    assert [x.run.id for x in leases] == [run.id]


@pytest.mark.parametrize("blocked", [s for s in RunState if s not in ("ready", "running")])
async def test_only_runs_that_can_start_are_leased(state: State, blocked: RunState) -> None:
    await seeded(state, 2, state=blocked)
    running = await seeded(state, 1, state=RunState.RUNNING)
    assert [x.run.id for x in await leased(state)] == [running.id]


# --- returned attempts ----------------------------------------------------------------------

FAULT = reason_with_detail(ReasonCode.NOT_STARTED, Detail(DetailCode.EGRESS_AWAY))


async def give_back(state: State, lease: Any, not_before: int, **changes: Any) -> bool:
    key = replace(lease.attempt.key, **changes)

    def work(tx: Transaction) -> bool:
        returned = tx.runs.return_attempt(key, "away", FAULT, 7, unstarted_only=False)
        if returned:
            tx.runs.return_subtask(lease.run.id, lease.subtask.ordinal, not_before)
        return returned

    returned: bool = await state.write(work)
    return returned


async def test_a_returned_subtask_is_leased_again_from_its_time_on(state: State) -> None:
    run = await seeded(state, 2)
    [first, second] = await leased(state)
    now = await state.read(lambda tx: tx.now)
    assert await give_back(state, first, now + 30_000)
    assert await give_back(state, second, now - 1)
    [second_lease] = await leased(state)
    assert (second_lease.subtask.ordinal, second_lease.attempt.outcome) == (1, None)
    assert second_lease.attempt.id != second.attempt.id
    [waiting, running] = await state.read(lambda tx: tx.runs.subtasks(run.id))
    assert (waiting.state, waiting.not_before) == (SubtaskState.WAITING, now + 30_000)
    assert running.state is SubtaskState.RUNNING
    assert check(state.storage.engine) == []


OTHER = RunnerInfo("r2", "n2", "full", "", 8, 10_000, 0)


async def put(state: State, runner: RunnerInfo) -> None:
    await state.write(lambda tx: tx.runs.put_runner(replace(runner, heartbeat_at=tx.now)))


async def leased_on(state: State, node: str, slots: int = 100) -> list[Lease]:
    room = replace(WIDE, slots=slots)
    return await state.write(lambda tx: tx.runs.lease(f"r of {node}", room, 100, node=node))


async def returned_by(state: State, node: str, slots: int, ago: int = 1) -> None:
    """Let a machine lease subtasks and return them, with pauses that ended so many ms ago."""
    leases = await leased_on(state, node, slots)
    now = await state.read(lambda tx: tx.now)
    assert len(leases) == slots
    for lease in leases:
        assert await give_back(state, lease, now - ago)


@pytest.mark.parametrize(
    ("other", "needs", "left"),
    [
        (OTHER, {}, True),
        (OTHER, {"cpus": 8, "memory_mb": 10_000}, True),
        (OTHER, {"cpus": 9}, False),
        (OTHER, {**BROWSER, "browser_required": True}, False),
        (replace(OTHER, node="n1"), {}, False),
        (replace(OTHER, draining=True), {}, False),
        (replace(OTHER, trouble=Detail(DetailCode.STORE_AWAY)), {}, False),
        (replace(OTHER, isolation="no-limits"), {}, False),
        (None, {}, False),
    ],
)
async def test_what_a_machine_has_returned_is_left_to_one_that_could_take_it(
    state: State, other: RunnerInfo | None, needs: dict[str, Any], left: bool
) -> None:
    """Only these subtasks: the machine takes others of the same run."""
    if other is not None:
        await put(state, other)
    browsers = {"browsers": 9, "browser_ready": True, "offer": ANY_BROWSER}
    room = replace(WIDE, **browsers) if "browser_required" in needs else WIDE

    def lease(tx: Transaction, node: str) -> list[int]:
        return [x.subtask.ordinal for x in tx.runs.lease(f"r of {node}", room, 100, node=node)]

    await seeded(state, 3, **needs)
    now = await state.read(lambda tx: tx.now)
    first = await state.write(
        lambda tx: tx.runs.lease("r of n1", replace(room, slots=2), 100, node="n1")
    )
    for given in first:
        await give_back(state, given, now - 1)
    assert await state.write(lambda tx: lease(tx, "n1")) == ([2] if left else [0, 1, 2])
    assert await state.write(lambda tx: lease(tx, "n2")) == ([0, 1] if left else [])


async def test_a_subtask_is_left_to_other_machines_only_for_a_while(state: State) -> None:
    await put(state, OTHER)
    await seeded(state)
    await returned_by(state, "n1", 1)
    assert await leased_on(state, "n1") == []
    await returned_by(state, "n2", 1, ago=OTHERS_FIRST_MS)
    assert len(await leased_on(state, "n1")) == 1


async def test_what_all_machines_have_returned_each_may_take(state: State) -> None:
    await put(state, OTHER)
    await put(state, replace(OTHER, id="r1", node="n1"))
    run = await seeded(state)
    await returned_by(state, "n1", 1)
    await returned_by(state, "n2", 1)
    assert await state.read(lambda tx: tx.runs.nodes_of(run.id)) == ["n1", "n2"]
    await put(state, replace(OTHER, id="r3", node="n3"))
    assert await leased_on(state, "n2") == []
    await state.write(lambda tx: tx.runs.drop_runner("r3"))
    await returned_by(state, "n2", 1)
    assert len(await leased_on(state, "n1")) == 1


async def test_other_runners_are_read_only_for_what_may_be_left_to_them(state: State) -> None:
    async def reads() -> int:
        with executed() as statements:
            [lease] = await leased_on(state, "n1", 1)
        await give_back(state, lease, await state.read(lambda tx: tx.now) - 1)
        return sum("FROM runners" in sql for sql, _ in statements)

    await seeded(state)
    assert [await reads(), await reads()] == [0, 1]


async def test_a_clock_that_was_set_back_does_not_prolong_the_pause(state: State) -> None:
    await seeded(state)
    [lease] = await leased(state)
    now = await state.read(lambda tx: tx.now)
    assert await give_back(state, lease, now + 2 * MAX_PAUSE_MS)
    assert len(await leased(state)) == 1


async def test_an_attempt_is_returned_once_and_only_with_its_token(state: State) -> None:
    await seeded(state)
    [lease] = await leased(state)
    assert not await give_back(state, lease, 0, token=2)
    assert await give_back(state, lease, 0)
    assert not await give_back(state, lease, 0)
    stored = await state.read(lambda tx: tx.runs.attempt(lease.attempt.id))
    assert (stored.outcome, stored.err_msg, stored.reason) == (Outcome.RETURNED, "away", FAULT)
    assert (stored.started_at, stored.finished_at) == (0, 7)
    assert await state.read(lambda tx: tx.runs.leases()) == {}


async def test_only_its_runner_returns_an_attempt_that_was_started(state: State) -> None:
    await seeded(state)
    [lease] = await leased(state)
    attempt = lease.attempt
    await state.write(lambda tx: tx.runs.start_attempt(attempt.key, 5))

    def of_others(tx: Transaction) -> bool:
        return tx.runs.return_attempt(attempt.key, "away", FAULT, 7, unstarted_only=True)

    assert not await state.write(of_others)
    assert await give_back(state, lease, 0)
    stored = await state.read(lambda tx: tx.runs.attempt(attempt.id))
    assert (stored.outcome, stored.started_at) == (Outcome.RETURNED, 0)


async def test_an_ended_subtask_stays_ended(state: State) -> None:
    run = await seeded(state)
    [lease] = await leased(state)
    await state.write(lambda tx: tx.runs.end_subtask(run.id, 0, End(Outcome.ABORTED)))
    await give_back(state, lease, 0)
    [subtask] = await state.read(lambda tx: tx.runs.subtasks(run.id))
    assert subtask.state is SubtaskState.ENDED


# --- attempts of lost runners -----------------------------------------------------------------


async def test_an_attempt_is_taken_over_only_with_the_lease_that_was_seen(state: State) -> None:
    await seeded(state, 2)
    [attempt, other] = [lease.attempt for lease in await leased(state)]

    async def take_over(until: int) -> bool:
        was_taken_over: bool = await state.write(lambda tx: tx.runs.take_over(attempt.id, until))
        return was_taken_over

    async def renew(token: int) -> bool:
        renewal = Renewal(attempt.id, token, AttemptUsage())

        def work(tx: Transaction) -> bool:
            return tx.runs.renew([renewal], 77 - tx.now).tokens.keys() == {attempt.id}

        return bool(await state.write(work))

    assert await renew(attempt.token)
    assert not await take_over(attempt.lease_until)
    assert await renew(attempt.token)
    assert await take_over(77)
    assert not await renew(attempt.token)
    current = await state.read(lambda tx: tx.runs.attempt(attempt.id))
    assert current == replace(attempt, token=attempt.token + 1, lease_until=77)
    assert await take_over(77)  # after a failure the next pass or another server can try again
    assert await state.read(lambda tx: tx.runs.attempt(other.id)) == other
    key = replace(current.key, token=current.token + 1)
    ended = AttemptEnd(End(Outcome.RUNNER_LOST), AttemptUsage())
    assert await state.write(lambda tx: tx.runs.end_attempt(key, ended, 0, 7))
    assert not await take_over(77)
