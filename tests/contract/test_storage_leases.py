"""The contract of the state: which waiting subtasks a runner leases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.model.run import RunState, SubtaskState
from fyke.model.runner import Capacity
from fyke.storage.sql.state.check import check
from support.leases import WIDE, leased, seeded

pytestmark = pytest.mark.anyio
State = Any


async def test_leases_go_oldest_run_first_then_by_ordinal(state: State) -> None:
    first = await seeded(state, 2)
    second = await seeded(state, 2)
    got = await leased(state, replace(WIDE, slots=3), "r7", 1234)
    assert [(x.run, x.subtask.ordinal) for x in got] == [(first, 0), (first, 1), (second, 0)]
    attempt = got[2].attempt
    assert (attempt.runner_id, attempt.token, attempt.lease_until) == ("r7", 1, 1234)
    assert (attempt.run_id, attempt.ordinal, attempt.outcome) == (second.id, 0, None)
    assert attempt.number == got[2].subtask.number
    assert got[2].subtask.state is SubtaskState.RUNNING
    assert await state.read(lambda tx: tx.runs.attempt(attempt.id)) == attempt
    assert len({x.attempt.id for x in got}) == 3
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


async def test_a_large_run_is_not_passed_over(state: State) -> None:
    await seeded(state, 1, cpus=0.5)
    large = await seeded(state, 1, cpus=4)
    await seeded(state, 1, cpus=0.5)
    assert len(await leased(state, Capacity(2, 10_000, 10))) == 1
    assert await leased(state, Capacity(1.5, 10_000, 10)) == []
    assert [x.run.id for x in await leased(state, Capacity(4, 10_000, 10))] == [large.id]


@pytest.mark.parametrize("blocked", [s for s in RunState if s not in ("ready", "running")])
async def test_only_runs_that_can_start_are_leased(state: State, blocked: RunState) -> None:
    await seeded(state, 2, state=blocked)
    running = await seeded(state, 1, state=RunState.RUNNING)
    assert [x.run.id for x in await leased(state)] == [running.id]
