"""The environments of versions that runners prepare, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.contracts.signals import PREPARE
from fyke.contracts.state import Transaction
from fyke.domain.runs.environments import VersionEnvironments
from fyke.domain.workers.environments import request_environment
from fyke.model.account import Plan
from fyke.model.browser import ANY_BROWSER
from fyke.model.node import RunnableVersion
from fyke.model.runner import Capacity, RunnerInfo
from fyke.model.worker import (
    MAX_PREPARATION_PAUSE_MS,
    EnvironmentState,
    Version,
    VersionEnvironment,
)
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from support import records

pytestmark = pytest.mark.anyio
State = Any
PREPARING = EnvironmentState.PREPARING
BAD = Reason.of(ReasonCode.BAD_REQUIREMENT, line="-e .")
AWAY = Detail(DetailCode.EGRESS_AWAY)
ROOM = Capacity(cpus=100, memory_mb=10**6, slots=10)


async def published(state: State, *numbers: str, owner: str = "") -> list[Version]:
    """Add versions of a new worker that are to be prepared, in a new account by default."""

    def work(tx: Transaction) -> list[Version]:
        worker = records.worker(owner) if owner else None
        if worker is not None:
            tx.workers.add(worker)
        worker_id = worker.id if worker else records.seed(tx)[1]
        versions = [records.version(worker_id, number) for number in numbers]
        for version in versions:
            tx.workers.add_version(version)
            request_environment(tx, version.id)
        return versions

    versions: list[Version] = await state.write(work)
    return versions


async def found(state: State, version: Version) -> VersionEnvironment | None:
    received: VersionEnvironment | None = await state.read(
        lambda tx: tx.environments.get(version.id)
    )
    return received


async def put(state: State, environment: VersionEnvironment) -> None:
    await state.write(lambda tx: tx.environments.put(environment))


async def report(state: State, runner_id: str, **changes: Any) -> None:
    """Report a runner as active."""

    def work(tx: Transaction) -> None:
        values = {"isolation": "full", "heartbeat_at": tx.now} | changes
        tx.runs.put_runner(RunnerInfo(runner_id, "node", reason="", cpus=2, memory_mb=1, **values))

    await state.write(work)


async def taken(state: State, runner_id: str = "R") -> RunnableVersion | None:
    preparation = await VersionEnvironments(state.storage).take(runner_id)
    return preparation.version if preparation else None


# --- requests ----------------------------------------------------------------------------------


async def test_only_what_is_not_ready_and_not_due_is_requested_again(state: State) -> None:
    (version,) = await published(state, "1")
    assert state.notified == [PREPARE]
    assert await found(state, version) == VersionEnvironment(version.id, PREPARING)
    for known in (PREPARING, EnvironmentState.READY):
        await put(state, VersionEnvironment(version.id, known))
        assert not await state.write(lambda tx: tx.environments.request(version.id))
    failed = VersionEnvironment(version.id, EnvironmentState.FAILED, BAD, tries=3, not_before=4)
    await put(state, failed)
    assert await found(state, version) == failed
    assert await state.read(lambda tx: tx.environments.of_worker(version.worker_id)) == {
        "1": failed
    }
    await state.write(lambda tx: request_environment(tx, version.id))
    assert await found(state, version) == VersionEnvironment(version.id, PREPARING)
    assert state.notified == [PREPARE, PREPARE]


async def test_the_oldest_version_of_each_account_waits(state: State) -> None:
    first, second = await published(state, "1", "2")
    (other,) = await published(state, "7")
    waiting = await state.read(lambda tx: tx.environments.waiting(set()))
    assert sorted(waiting.values()) == sorted([(first.worker_id, "1"), (other.worker_id, "7")])
    await put(state, VersionEnvironment(first.id, EnvironmentState.READY))
    waiting = await state.read(lambda tx: tx.environments.waiting(set()))
    assert (second.worker_id, "2") in waiting.values()


async def test_a_deleted_worker_is_not_prepared(state: State) -> None:
    (version,) = await published(state, "1")
    await state.write(lambda tx: tx.workers.mark_deleted(version.worker_id, 1))
    assert await taken(state) is None
    await state.write(lambda tx: tx.environments.remove_of_worker(version.worker_id))
    assert await found(state, version) is None


# --- claims ------------------------------------------------------------------------------------


async def test_a_version_is_prepared_by_one_active_runner(state: State) -> None:
    (version,) = await published(state, "1")
    await report(state, "R")
    assert await taken(state, "R") == RunnableVersion.of(version)
    assert await taken(state, "S") is None
    assert await taken(state, "R") == RunnableVersion.of(version)  # which it has claimed
    await report(state, "R", heartbeat_at=1)
    assert await taken(state, "S") == RunnableVersion.of(version)
    await VersionEnvironments(state.storage).ended(version.id, "R", BAD)
    environment = await found(state, version)
    assert environment is not None and environment.state is PREPARING, "R has lost it"
    assert environment.runner_id == "S"


async def test_a_claim_fails_when_another_runner_was_faster(state: State) -> None:
    (version,) = await published(state, "1")
    before = await found(state, version)
    claims = [
        await state.write(lambda tx, to=runner: tx.environments.claim(before, to))
        for runner in ("R", "S")
    ]
    assert claims == [True, False]


async def test_accounts_are_served_in_rotation(state: State) -> None:
    first, second = await published(state, "1", "2")
    owner = await state.read(lambda tx: tx.workers.get(first.worker_id).account_id)
    (third,) = await published(state, "3", owner=owner)
    (other,) = await published(state, "7")
    environments, order = VersionEnvironments(state.storage), list[RunnableVersion]()
    while (preparation := await environments.take("R")) is not None:
        order.append(preparation.version)
        await environments.ended(preparation.version.id, "R", None)
    assert order == [RunnableVersion.of(each) for each in (first, other, second, third)]
    environment = await found(state, other)
    assert environment == VersionEnvironment(other.id, EnvironmentState.READY)


@pytest.mark.parametrize(
    ("isolation", "unsafe", "code"),
    [
        ("full", False, None),
        ("no-limits", False, ReasonCode.LIMITS_MISSING),
        ("none", False, ReasonCode.ISOLATION_MISSING),
        ("none", True, None),
    ],
)
async def test_a_runner_that_may_not_run_the_worker_may_not_prepare_it(
    state: State, isolation: str, unsafe: bool, code: ReasonCode | None
) -> None:
    await published(state, "1")
    await report(state, "R", isolation=isolation, unsafe=unsafe)
    preparation = await VersionEnvironments(state.storage).take("R")
    assert preparation is not None
    refusal = preparation.refusal
    assert (refusal.code if refusal else None) == code


# --- runs before preparations ------------------------------------------------------------------


async def test_nothing_is_prepared_while_a_run_waits_that_could_start(state: State) -> None:
    (version,) = await published(state, "1")
    owner, worker_id = await state.write(records.seed)
    await state.write(lambda tx: tx.accounts.set_plan(owner, Plan.FREE))
    for _ in range(3):  # the plan allows two at a time
        await state.write(lambda tx: records.seed_run(tx, owner, worker_id))
    assert await state.read(lambda tx: tx.runs.has_startable(ANY_BROWSER))
    assert await taken(state) is None
    assert len(await state.write(lambda tx: tx.runs.lease("R", ROOM, 1))) == 2
    assert not await state.read(lambda tx: tx.runs.has_startable(ANY_BROWSER))
    assert await taken(state) == RunnableVersion.of(version)


@pytest.mark.parametrize(
    ("runner", "prepared"),
    [
        ({}, True),
        ({"browsers": 2, "browser_problem": "it crashed"}, True),
        ({"browsers": 2, "draining": True}, True),
        ({"browsers": 2, "heartbeat_at": 1}, True),
        ({"browsers": 2}, False),
    ],
)
async def test_a_run_that_waits_for_a_runner_with_a_browser_delays_nothing(
    state: State, runner: dict[str, Any], prepared: bool
) -> None:
    (version,) = await published(state, "1")
    owner, worker_id = await state.write(records.seed)
    needs = {"browser_cpus": 1.0, "browser_memory_mb": 1024, "browser_required": True}
    await state.write(lambda tx: records.seed_run(tx, owner, worker_id, **needs))
    await report(state, "R")
    await report(state, "S", **runner)
    assert await taken(state) == (RunnableVersion.of(version) if prepared else None)
    await state.write(lambda tx: records.seed_run(tx, owner, worker_id))
    assert await taken(state) is None, "this run could start"


async def test_a_runner_leaves_a_version_to_the_attempt_that_prepares_it(state: State) -> None:
    (version,) = await published(state, "1.0.0")
    worker = await state.read(lambda tx: tx.workers.get(version.worker_id))
    await state.write(lambda tx: records.seed_run(tx, worker.account_id, worker.id))
    (lease,) = await state.write(lambda tx: tx.runs.lease("R", ROOM, 1))
    environments = VersionEnvironments(state.storage)
    assert await environments.take("R") is None
    known = await found(state, version)
    await environments.note(version.id, known, BAD)
    expected = VersionEnvironment(version.id, EnvironmentState.FAILED, BAD)
    assert await found(state, version) == expected
    await environments.note(version.id, expected, None)
    assert await found(state, version) == VersionEnvironment(version.id, EnvironmentState.READY)
    assert lease.run.version == version.number


# --- faults of the platform --------------------------------------------------------------------


async def test_a_fault_of_the_platform_is_retried_with_growing_pauses_without_end(
    state: State,
) -> None:
    (version,) = await published(state, "1")
    environments = VersionEnvironments(state.storage)
    for tries in range(1, 15):
        preparation = await environments.take("R")
        assert preparation is not None and preparation.environment.tries == tries - 1
        before = await state.read(lambda tx: tx.now)
        await environments.interrupted(preparation.version.id, "R", AWAY)
        environment = await found(state, version)
        assert environment is not None
        assert (environment.state, environment.runner_id) == (PREPARING, "")
        pause = min(1000 * 2 ** (tries - 1), MAX_PREPARATION_PAUSE_MS)
        assert environment.not_before >= before + pause
        assert environment.reason is not None
        assert environment.reason.code is ReasonCode.INTERNAL
        assert environment.reason.params["detail_code"] == DetailCode.EGRESS_AWAY
        assert await environments.take("R") is None
        await due(state, environment)
    preparation = await environments.take("R")
    assert preparation is not None
    await environments.ended(preparation.version.id, "R", None)
    assert await found(state, version) == VersionEnvironment(version.id, EnvironmentState.READY)


async def due(state: State, environment: VersionEnvironment) -> None:
    """End the pause, alternately by its end and by a clock that was set back."""
    late = environment.tries % 2
    at = 0 if late else environment.not_before + 10**9
    changed = VersionEnvironment(
        environment.version_id, PREPARING, tries=environment.tries, not_before=at
    )
    await put(state, changed)
