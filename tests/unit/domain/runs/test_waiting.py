"""Why a run has not started, from the runners that there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.waiting import WaitReasons
from fyke.model.runner import RunnerInfo
from fyke.reasons import Reason, ReasonCode
from support.stores import Stores

pytestmark = pytest.mark.anyio


async def reason(stores: Stores, *runners: RunnerInfo) -> Reason | None:
    """Why a new run waits beside these runners."""
    for runner in runners:
        await stores.write(lambda tx, one=runner: tx.runs.put_runner(one))  # type: ignore[misc]
    run = await stores.run(cpus=1, memory_mb=512)
    return (await WaitReasons(stores.storage).reason(stores.caller, run.id)).reason


def runner(stores: Stores, name: str, cpus: float = 4) -> RunnerInfo:
    return RunnerInfo(name, f"node-{name}", "full", "", cpus, 4096, stores.clock.now_ms())


async def test_without_a_living_runner_that_is_the_reason(stores: Stores) -> None:
    silent = runner(stores, "a")
    silent = replace(silent, heartbeat_at=silent.heartbeat_at - RUNNER_SILENCE_MS - 1)
    assert await reason(stores, silent) == Reason(ReasonCode.NO_RUNNER)


async def test_a_runner_that_is_being_stopped_is_the_reason_rather_than_its_free_room(
    stores: Stores,
) -> None:
    stopping = replace(runner(stores, "a"), draining=True)
    assert await reason(stores, stopping) == Reason.of(ReasonCode.NO_RUNNER, node="node-a")


async def test_the_room_is_that_of_runners_that_take_runs(stores: Stores) -> None:
    stopping = replace(runner(stores, "a", cpus=16), draining=True)
    found = await reason(stores, stopping, runner(stores, "b"))
    assert found == Reason.of(
        ReasonCode.ROOM, cpus=1, memory_mb=512, free_cpus=4, free_memory_mb=4096
    )
