"""The contract of the state: subtasks are first left to machines that have their environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs import affinity
from fyke.domain.runs.leasing import lease_waiting
from fyke.model.runner import Capacity, RunnerInfo
from support.leases import WIDE, seeded
from support.statements import executed

pytestmark = pytest.mark.anyio
State = Any
ENV, OTHER_ENV = "e" * 32, "f" * 32
FIRST_MS = 60_000  # for which new subtasks are left to others, however slow the test is


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "HOLDERS_FIRST_MS", FIRST_MS)


async def now(state: State) -> int:
    found: int = await state.read(lambda tx: tx.now)
    return found


async def active(state: State, node: str, *environments: str, **changes: Any) -> None:
    info = RunnerInfo(f"r of {node}", node, "full", "", 64, 2**20, 0, environments=environments)
    await state.write(
        lambda tx: tx.runs.put_runner(replace(info, **{"heartbeat_at": tx.now, **changes}))
    )


async def taken(
    state: State, node: str, *environments: str, room: Capacity = WIDE, idle: bool = False
) -> tuple[list[tuple[str, int]], int]:
    """The runs and ordinals that a runner leases, and for how long it leaves some to others."""

    def lease(tx: Transaction) -> tuple[list[tuple[str, int]], int]:
        options: dict[str, Any] = {"node": node, "spread": True, "environments": environments}
        found = lease_waiting(tx, f"r of {node}", room, 100, idle=idle, **options)
        return [(x.run.id, x.subtask.ordinal) for x in found], tx.runs.left_ms

    result: tuple[list[tuple[str, int]], int] = await state.write(lease)
    return result


@pytest.mark.parametrize("idle", [False, True])
async def test_a_new_run_is_left_to_the_machine_with_its_environment(
    state: State, idle: bool
) -> None:
    await active(state, "n2", OTHER_ENV, ENV)
    run = await seeded(state, environment=ENV, created_at=await now(state))
    leases, left_ms = await taken(state, "n1", idle=idle)
    assert leases == [] and 0 < left_ms <= FIRST_MS
    assert await taken(state, "n2", ENV) == ([(run.id, 0)], 0)


async def test_after_this_time_any_machine_takes_it(state: State) -> None:
    await active(state, "n2", ENV)
    at = await now(state) - FIRST_MS
    run = await seeded(state, environment=ENV, created_at=at)
    assert await taken(state, "n1") == ([(run.id, 0)], 0)


async def test_a_machine_that_is_gone_is_not_waited_for(state: State) -> None:
    await active(state, "n2", ENV, draining=True)
    await active(state, "n3", ENV, pool="eu")
    await active(state, "n4", ENV, heartbeat_at=1)
    run = await seeded(state, environment=ENV, created_at=await now(state))
    assert await taken(state, "n1") == ([(run.id, 0)], 0)


async def test_what_follows_in_the_queue_is_taken_meanwhile(state: State) -> None:
    """Also when the first subtasks fill all that is read at once."""
    await active(state, "n2", ENV)
    at = await now(state)
    await seeded(state, environment=ENV, created_at=at)
    mine = await seeded(state, environment=OTHER_ENV, created_at=at)
    leases, left_ms = await taken(state, "n1", OTHER_ENV, room=replace(WIDE, slots=1))
    assert leases == [(mine.id, 0)] and left_ms > 0


async def test_a_large_run_is_spread_at_once(state: State) -> None:
    await active(state, "n1")
    await active(state, "n2", ENV)
    run = await seeded(state, 10, environment=ENV, created_at=await now(state))
    first, left_ms = await taken(state, "n1")
    assert first == [(run.id, ordinal) for ordinal in range(5, 8)] and left_ms > 0
    second, _ = await taken(state, "n2", ENV)
    assert second == [(run.id, ordinal) for ordinal in range(5)]


async def test_the_queue_is_read_at_most_twice(state: State) -> None:
    """Each of many runs may have an environment of its own that another machine names."""
    names = [f"{number:032x}" for number in range(30)]
    await active(state, "n2", *names)
    at = await now(state)
    for name in names:
        await seeded(state, environment=name, created_at=at)
    with executed() as statements:
        assert (await taken(state, "n1", room=replace(WIDE, slots=4)))[0] == []
    assert sum("FROM subtasks s" in sql for sql, _ in statements) == 2


async def test_machines_are_read_only_if_an_environment_is_missing(state: State) -> None:
    async def statements_of(*held: str, spread: bool = True) -> int:
        await seeded(state, environment=ENV, created_at=await now(state))

        def lease(tx: Transaction) -> int:
            return len(tx.runs.lease("r of n1", WIDE, 100, spread=spread, environments=held))

        with executed() as statements:
            assert await state.write(lease) == 1
        return len(statements)

    await statements_of(spread=False)  # the connection may be new
    alone = await statements_of(spread=False)
    assert await statements_of(ENV) == alone
    assert await statements_of() == alone + 1


async def test_environments_of_runs_and_runners_are_stored(state: State) -> None:
    await active(state, "n2", OTHER_ENV, ENV)
    run = await seeded(state, environment=ENV)

    def work(tx: Transaction) -> tuple[Any, list[RunnerInfo]]:
        return tx.runs.get(run.id), tx.runs.runners(0)

    stored, [runner] = await state.read(work)
    assert stored.environment == ENV
    assert runner.environments == (OTHER_ENV, ENV)
