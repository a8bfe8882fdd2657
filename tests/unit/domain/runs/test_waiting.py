"""Why a run has not started, from the runners that there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.domain.runs.waiting import WaitReason, WaitReasons
from fyke.model.billing import Prices
from fyke.model.node_registry import Node
from fyke.model.run import RunState
from fyke.model.runner import RunnerInfo
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, sentence
from fyke.wire.reasons import params_of
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
RULES = Rules(Prices(), HIDING, 1000, "")


async def reason(
    stores: Stores, *runners: RunnerInfo, operator: bool = True, **changes: Any
) -> Reason | None:
    """Why a new run waits beside these runners, as the operator sees it."""
    for runner in runners:
        await stores.write(lambda tx, one=runner: tx.runs.put_runner(one))  # type: ignore[misc]
    run = await stores.run(cpus=1, memory_mb=512, **changes)
    caller = replace(stores.caller, operator=operator)
    return (await WaitReasons(stores.storage, RULES).reason(caller, run.id)).reason


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


async def test_only_the_operator_sees_names_of_machines(stores: Stores) -> None:
    stopping = replace(runner(stores, "a"), draining=True)
    found = await reason(stores, stopping, operator=False)
    assert found == Reason.of(ReasonCode.NO_NODE, pool="default", stopping=1)
    troubled = replace(runner(stores, "a"), trouble=DISK)
    found = await reason(stores, troubled, operator=False)
    assert found is not None and "node" not in found.params
    assert sentence(found).startswith("no machine can start Workers: the disk of the runner has")


async def node(stores: Stores, name: str, pool: str = "eu") -> None:
    known = Node(name, pool, {}, "", "J", ephemeral=False, joined_at=1)
    assert await stores.write(lambda tx: tx.nodes.add(known))


async def test_a_pool_without_a_connected_machine_is_the_reason(stores: Stores) -> None:
    await node(stores, "n1")
    await node(stores, "n2", "us")
    found = await reason(stores, pool="eu")
    assert found is not None
    assert sentence(found) == "no machine of the pool eu is connected; it has the nodes n1"
    found = await reason(stores, pool="eu", operator=False)
    assert found == Reason.of(ReasonCode.NO_NODE, pool="eu")


async def test_a_pool_whose_machines_are_all_drained_is_the_reason(stores: Stores) -> None:
    await node(stores, "n1")
    drained = replace(runner(stores, "n1"), node="n1", pool="eu", draining=True)
    found = await reason(stores, drained, runner(stores, "a"), pool="eu")
    assert found is not None
    assert sentence(found) == (
        "no machine of the pool eu takes new runs: 1 are connected, and all of them are cordoned, "
        "drained or stopped (n1)"
    )


@pytest.mark.parametrize(
    ("needs", "labels"),
    [
        ({"labels": {"gpu": "yes", "disk": "ssd"}}, "disk=ssd, gpu=yes"),
        ({"region": "DE", "region_of_node": True}, "region=DE"),
        ({"region": "DE", "region_of_node": True, "labels": {"gpu": "no"}}, "gpu=no, region=DE"),
    ],
)
async def test_labels_that_no_connected_machine_has_are_the_reason(
    stores: Stores, needs: dict[str, Any], labels: str
) -> None:
    partly = replace(runner(stores, "a"), labels={"gpu": "yes", "region": "FR"})
    away = Node("n1", "default", {"region": "DE"}, "", "J", ephemeral=False, joined_at=1)
    await stores.write(lambda tx: tx.nodes.add(away))
    found = await reason(stores, partly, **needs)
    assert found == Reason.of(ReasonCode.NO_LABELS, pool="default", labels=labels)


async def test_a_pool_that_exists_no_more_is_the_reason_with_a_remedy(stores: Stores) -> None:
    """As after a change of ``default_pool``."""
    await node(stores, "n1", "us")
    found = await reason(stores, runner(stores, "a"), pool="eu", operator=False)
    assert found == Reason.of(ReasonCode.NO_NODE, pool="eu", pools=["default", "us"])
    assert sentence(found) == (
        "there is no pool eu any more, only default, us: abort the run and start it again, or let "
        "a machine join this pool"
    )
    await node(stores, "n2")
    found = await reason(stores, pool="eu", operator=False)
    assert found == Reason.of(ReasonCode.NO_NODE, pool="eu")


async def test_a_run_that_has_started_says_so_too(stores: Stores) -> None:
    found = await reason(stores, pool="eu", state=RunState.RUNNING)
    assert found == Reason.of(ReasonCode.NO_NODE, pool="eu", pools=["default"])
    assert await reason(stores, state=RunState.RUNNING) is None


async def test_a_region_that_no_machine_has_any_more_is_the_reason_with_a_remedy(
    stores: Stores,
) -> None:
    here = replace(runner(stores, "a"), labels={"region": "FR"})
    found = await reason(stores, here, region="DE", region_of_node=True)
    assert found == Reason.of(ReasonCode.NO_LABELS, pool="default", region="DE")
    assert sentence(found).endswith("or give one the label region=DE")


async def test_a_machine_of_the_installation_is_not_called_by_its_id(stores: Stores) -> None:
    own = replace(runner(stores, "a"), node="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    found = await reason(stores, replace(own, draining=True))
    assert found is not None
    assert sentence(found).startswith("Fyke is being stopped on this installation")
    assert params_of(found) == {"node": "this installation"}
    found = await reason(stores, replace(own, trouble=DISK))
    assert found is not None
    assert sentence(found).startswith("no Worker can be started on this installation")


async def test_a_pool_is_said_once(stores: Stores) -> None:
    """Beside the reason, unless that names it."""
    await node(stores, "n1")

    async def waits() -> WaitReason:
        run = await stores.run(pool="eu", pool_asked=True)
        return await WaitReasons(stores.storage, RULES).reason(stores.caller, run.id)

    assert (await waits()).pool == ""
    eu = replace(runner(stores, "a"), pool="eu")
    await stores.write(lambda tx: tx.runs.put_runner(eu))
    assert (await waits()).pool == "eu"


async def test_machines_that_may_not_execute_the_worker_are_the_reason(stores: Stores) -> None:
    limited = replace(runner(stores, "a"), isolation="no-limits", reason="no cgroups")
    found = await reason(stores, limited)
    assert found == Reason.of(ReasonCode.LIMITS_MISSING, check="", seen="", detail="no cgroups")
    found = await reason(stores, limited, operators_worker=True)
    assert found is not None and found.code is ReasonCode.QUEUE


async def test_the_room_is_that_of_machines_that_may_take_the_run(stores: Stores) -> None:
    others = [
        replace(runner(stores, "b", cpus=16), pool="eu"),
        replace(runner(stores, "c", cpus=16), isolation="no-limits"),
    ]
    small = replace(runner(stores, "a", cpus=0.5), labels={"gpu": "yes"})
    plain = runner(stores, "d", cpus=16)
    found = await reason(stores, small, *others, plain, labels={"gpu": "yes"})
    assert found is not None and found.params["largest_cpus"] == 0.5


async def test_the_room_is_that_of_runners_that_take_runs(stores: Stores) -> None:
    stopping = replace(runner(stores, "a", cpus=16), draining=True)
    found = await reason(stores, stopping, runner(stores, "b", cpus=0.5))
    assert found == Reason.of(
        ReasonCode.ROOM, cpus=1, memory_mb=512, largest_cpus=0.5, largest_memory_mb=4096
    )


async def test_a_run_for_which_a_runner_has_room_begins_in_a_moment(stores: Stores) -> None:
    found = await reason(stores, runner(stores, "a"))
    assert found == Reason.of(ReasonCode.ROOM, cpus=1, memory_mb=512)
    assert sentence(found) == (
        "it needs 1 cores and 512 MB, and a machine has room for it: it begins in a moment"
    )


async def test_a_run_needs_room_for_its_part_of_a_browser(stores: Stores) -> None:
    small = replace(runner(stores, "a", cpus=1.1), browsers=2, browser_share=0.15)
    browser = {"browser_cpus": 1.0, "browser_memory_mb": 1000}
    needs = {"cpus": 1.15, "memory_mb": 662}
    assert await reason(stores, small, **browser) == Reason.of(
        ReasonCode.ROOM, **needs, largest_cpus=1.1, largest_memory_mb=4096
    )
    enough = replace(small, cpus=1.15)
    assert await reason(stores, enough, **browser) == Reason.of(
        ReasonCode.QUEUE, ahead=1, **needs, free_cpus=1.15, free_memory_mb=4096
    )


async def test_the_room_is_that_of_runners_that_are_large_enough(stores: Stores) -> None:
    wide, large = runner(stores, "a"), replace(runner(stores, "b", cpus=2), memory_mb=8192)
    for one in (wide, large):
        await stores.write(lambda tx, one=one: tx.runs.put_runner(one))  # type: ignore[misc]
    run = await stores.run(cpus=1, memory_mb=8000)
    found = await WaitReasons(stores.storage, RULES).reason(stores.caller, run.id)
    assert found.reason == Reason.of(ReasonCode.ROOM, cpus=1, memory_mb=8000)


async def test_browsers_take_a_part_of_the_room_and_runs_that_need_one_are_not_waited_for(
    stores: Stores,
) -> None:
    with_browsers = replace(runner(stores, "r1"), browsers=2, browser_share=0.15)
    await stores.run(2, memory_mb=512, browser_cpus=1.0, browser_memory_mb=1000)
    await stores.lease("r1")
    await stores.run(2, memory_mb=512, browser_cpus=1.0, browser_memory_mb=1000)
    needs = {"cpus": 1, "memory_mb": 512}
    free = {"free_cpus": 1.7, "free_memory_mb": 4096 - 2 * 512 - 300}
    assert await reason(stores, with_browsers) == Reason.of(ReasonCode.ROOM, **needs)
    larger = replace(with_browsers, browsers=3)
    found = await reason(stores, larger)
    assert found == Reason.of(ReasonCode.QUEUE, ahead=3, **needs, **free)
    without = replace(with_browsers, browsers=0)  # attempts reserve nothing for a browser
    free = {"free_cpus": 2, "free_memory_mb": 4096 - 2 * 512}
    found = await reason(stores, without)
    assert found == Reason.of(ReasonCode.QUEUE, ahead=4, **needs, **free)


async def test_a_run_that_was_returned_with_its_browser_waits_for_a_place(stores: Stores) -> None:
    browser = {"browser_cpus": 1.0, "browser_memory_mb": 1000}
    full = [replace(runner(stores, name), browsers=1, browser_share=0.15) for name in ("r1", "r2")]
    for one in full:
        await stores.run(memory_mb=512, **browser)
        await stores.lease(one.id)
    assert await reason(stores, *full, **browser) == Reason.of(ReasonCode.ROOM, browsers=2)
    found = await reason(stores, *full)
    assert found == Reason.of(ReasonCode.ROOM, cpus=1, memory_mb=512)
    free = replace(full[1], browsers=2)
    found = await reason(stores, full[0], free, **browser)
    assert found is not None and found.code is ReasonCode.QUEUE


async def test_a_missing_browser_is_the_reason_of_a_run_that_requires_one(stores: Stores) -> None:
    """It was accepted before the last runner with a browser ended."""
    without = replace(runner(stores, "a"), browser_problem="switched off")
    found = await reason(stores, without, browser_required=True)
    assert found == Reason.of(ReasonCode.BROWSER_MISSING, problem="switched off")
    found = await reason(stores, without)
    assert found is not None and found.code is ReasonCode.QUEUE
    with_browser = replace(runner(stores, "b"), browsers=1)
    found = await reason(stores, with_browser, browser_required=True)
    assert found is not None and found.code is ReasonCode.QUEUE


DISK = Detail.of(DetailCode.DISK_SHORT, free_bytes=40 * 2**20, needed_bytes=64 * 2**20)


async def test_a_run_that_requires_a_browser_has_the_room_of_runners_with_one(
    stores: Stores,
) -> None:
    small = replace(runner(stores, "a", cpus=0.5), browsers=1, browser_share=0.15)
    without = replace(runner(stores, "b", cpus=16), browser_problem="switched off")
    found = await reason(stores, small, without, browser_required=True)
    largest = {"largest_cpus": 0.5, "largest_memory_mb": 4096, "browser_runners": 1}
    assert found == Reason.of(ReasonCode.ROOM, cpus=1, memory_mb=512, **largest)
    assert sentence(found) == (
        "it needs 1 cores and 512 MB, more than any of the machines with its browser has in all "
        "(1; 0.5 cores and 4096 MB); it begins when one of them does nothing else"
    )


async def test_the_trouble_of_the_only_runner_is_the_reason(stores: Stores) -> None:
    troubled = replace(runner(stores, "a"), trouble=DISK)
    found = await reason(stores, troubled)
    assert found is not None and found.code is ReasonCode.RUNNER_TROUBLE
    assert sentence(found) == (
        "no Worker can be started on node-a: the disk of the runner has 40 MiB free, and a "
        "sandbox needs 64 MiB; free some space"
    )


async def test_a_runner_without_trouble_has_the_room(stores: Stores) -> None:
    troubled = replace(runner(stores, "a", cpus=16), trouble=DISK)
    found = await reason(stores, troubled, runner(stores, "b", cpus=0.5))
    assert found is not None and found.params["largest_cpus"] == 0.5


async def test_a_returned_run_waits_for_its_next_try(stores: Stores) -> None:
    await stores.write(lambda tx: tx.runs.put_runner(runner(stores, "a")))
    run = await stores.run()
    attempts = Attempts(stores.storage, stores.results, RULES)
    reasons = WaitReasons(stores.storage, RULES)

    async def waits() -> Reason:
        found = (await reasons.reason(stores.caller, run.id)).reason
        assert found is not None
        return found

    [lease] = await stores.lease()
    assert sentence(await waits()) == "a machine has taken it and prepares its sandbox"
    await attempts.give_back(lease.attempt.key, Detail(DetailCode.EGRESS_AWAY), actor="test")
    assert sentence(await waits()) == (
        "the Worker could not be started: the egress process does not answer. It will be retried "
        "in 1.0 s"
    )
    stores.clock.advance(1)
    assert (await waits()).code is ReasonCode.ROOM


async def test_only_a_version_that_was_never_installed_waits_for_its_dependencies(
    stores: Stores,
) -> None:
    run = await stores.run()
    await stores.lease()
    reasons = WaitReasons(stores.storage, RULES)

    def make_due(tx: Transaction) -> None:
        version = records.version(run.worker_id, run.version)
        tx.workers.add_version(version)
        tx.environments.request(version.id)

    await stores.write(make_due)
    found = (await reasons.reason(stores.caller, run.id)).reason
    assert found is not None and sentence(found) == (
        f"a machine has taken it and installs the dependencies of {run.version} that are missing"
    )
