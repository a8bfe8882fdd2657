"""What follows the return of an attempt to the queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.returns import OTHERS_FIRST_MS, TRIES
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import Prices
from fyke.model.run import Outcome, RunState
from fyke.model.runner import Lease, RunnerInfo
from fyke.reasons import Detail, DetailCode, ReasonCode
from support.stores import ROOM, Stores

pytestmark = pytest.mark.anyio
AWAY = Detail(DetailCode.EGRESS_AWAY)


@pytest.fixture
def attempts(stores: Stores) -> Attempts:
    return Attempts(stores.storage, stores.results, Rules(Prices(), HIDING, 1000, ""))


async def test_the_same_fault_ends_the_subtask_when_it_occurs_too_often(
    attempts: Attempts, stores: Stores
) -> None:
    run = await stores.run()
    [one] = await stores.lease()
    for _ in range(TRIES - 1):
        found = await attempts.give_back(one.attempt.key, AWAY, actor="test")
        assert found is not None and found.run == run
        stores.clock.advance(found.pause_ms / 1000)
        [one] = await stores.lease()
    assert await attempts.give_back(one.attempt.key, AWAY, actor="test") is not None
    stored = await stores.stored(run)
    assert (stored.state, stored.outcome) == (RunState.FAILED, Outcome.INTERNAL)
    assert stored.err_msg == (
        "The Worker could not be started, 10 times in a row: the egress process does not answer"
    )
    assert stored.reason is not None and stored.reason.code is ReasonCode.NOT_STARTED
    assert (stored.usage_micros, stored.busy_ms) == (0, 0)


async def leased_on(stores: Stores, node: str) -> Lease:
    [lease] = await stores.write(
        lambda tx: tx.runs.lease(f"runner of {node}", ROOM, tx.now + 60_000, node=node)
    )
    return lease


async def test_a_fault_of_one_machine_ends_no_subtask_that_another_could_take(
    attempts: Attempts, stores: Stores
) -> None:
    run = await stores.run()
    other = RunnerInfo("R2", "n2", "full", "", 8, 8192, 0)

    async def put() -> None:
        await stores.write(lambda tx: tx.runs.put_runner(replace(other, heartbeat_at=tx.now)))

    for times in range(1, TRIES + 3):
        one = await leased_on(stores, "n1")
        await put()
        line = await attempts.returned_line(one.attempt.key, AWAY)
        assert f"(attempt {times}; tried again in" in line.content
        found = await attempts.give_back(one.attempt.key, AWAY, actor="test")
        assert found is not None and found.pause_ms
        stores.clock.advance((found.pause_ms + OTHERS_FIRST_MS) / 1000)
    one = await leased_on(stores, "n2")
    await put()
    await attempts.give_back(one.attempt.key, AWAY, actor="test")
    stored = await stores.stored(run)
    assert stored.state is RunState.FAILED and f"{TRIES + 3} times" in stored.err_msg


async def test_a_fault_ends_the_subtask_if_the_other_machine_could_not_take_it(
    attempts: Attempts, stores: Stores
) -> None:
    run = await stores.run()
    small = RunnerInfo("R2", "n2", "full", "", 0.001, 1, 0)
    for _ in range(TRIES):
        one = await leased_on(stores, "n1")
        await stores.write(lambda tx: tx.runs.put_runner(replace(small, heartbeat_at=tx.now)))
        found = await attempts.give_back(one.attempt.key, AWAY, actor="test")
        assert found is not None
        stores.clock.advance(found.pause_ms / 1000)
    assert (await stores.stored(run)).state is RunState.FAILED
