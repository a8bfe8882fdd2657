"""The machines of an installation: what they have, and why one takes no attempts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from fyke.domain.nodes.control import NodeControl
from fyke.domain.nodes.machines import MAX_ATTEMPTS, Availability
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.errors import Forbidden, NotFound
from fyke.model.account import Caller, Role
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.runner import RunnerInfo
from fyke.reasons import Detail, DetailCode
from support.run_endings import FREE, Setup

pytestmark = pytest.mark.anyio
State = Any

OPERATOR = Caller("acme", "acme", True, "u", "", user_name="ada", role=Role.VIEWER)
NODE = Node("c1", "eu", {}, "", "J1", False, 5, runner_id="R1", epoch=1, gateway_id="G1")
RUNNER = RunnerInfo("R1", "c1", "full", "", 8, 4096, 0, place="node/c1")
AWAY = Detail(DetailCode.EGRESS_AWAY)


@pytest.fixture
async def nodes(state: State) -> NodeControl:
    """There is nothing but one node, which reports; ``put`` changes it."""

    def work(tx: Any) -> None:
        for node in tx.nodes.all():
            tx.nodes.remove(node.name)
        for runner in tx.runs.runners(0):
            tx.runs.drop_runner(runner.id)
        tx.nodes.add(replace(NODE, seen_at=tx.now))

    await state.write(work)
    attempts: Any = Attempts(state, cast(Any, None), FREE)  # there are none
    return NodeControl(state, attempts, FREE)


async def put(storage: State, silent_ms: int = 0, **members: Any) -> None:
    """Change the node and its runner, which have both reported ``silent_ms`` ago."""
    names = {"state", "state_at", "joined_at", "drain_until", "gateway_id"}

    def work(tx: Any) -> None:
        at = tx.now - silent_ms
        node = {name: value for name, value in members.items() if name in names}
        runner = {name: value for name, value in members.items() if name not in names}
        if node.get("state_at") == "now":
            node["state_at"] = tx.now
        tx.nodes.change(replace(NODE, seen_at=at, **node))
        tx.runs.put_runner(replace(RUNNER, heartbeat_at=at, **runner))

    await storage.write(work)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, Availability.READY),
        ({"isolation": "no-limits"}, Availability.OPERATOR_ONLY),
        ({"isolation": "none"}, Availability.NO_ISOLATION),
        ({"isolation": "none", "unsafe": True}, Availability.READY),
        ({"trouble": AWAY, "isolation": "none"}, Availability.TROUBLE),
        ({"draining": True, "trouble": AWAY}, Availability.STOPPING),
        ({"state": NodeState.CORDONED, "draining": True}, Availability.CORDONED),
        ({"state": NodeState.DRAINING, "draining": True}, Availability.DRAINING),
        # uncordoned since its last report
        ({"state_at": "now", "draining": True}, Availability.READY),
        (
            {"silent_ms": RUNNER_SILENCE_MS + 1, "state": NodeState.CORDONED},
            Availability.SILENT,
        ),
        # its runner may still be there after a report that was late
        ({"gateway_id": "", "state": NodeState.CORDONED}, Availability.STOPPED),
        ({"gateway_id": "", "silent_ms": RUNNER_SILENCE_MS + 1}, Availability.STOPPED),
    ],
)
async def test_the_first_reason_why_a_node_takes_no_attempts(
    state: State, nodes: NodeControl, members: dict[str, Any], expected: Availability
) -> None:
    await put(state, **members)
    view = await nodes.get(OPERATOR, "c1")
    assert view.availability is expected
    assert view.takes_attempts is (expected in (Availability.READY, Availability.OPERATOR_ONLY))
    assert view.connected is (expected not in (Availability.SILENT, Availability.STOPPED))
    assert await nodes.list(OPERATOR) == [view] == (await nodes.machines(OPERATOR)).nodes


async def test_a_node_that_has_joined_is_not_connected_until_it_reports(
    state: State, nodes: NodeControl
) -> None:
    def join(tx: Any) -> None:
        tx.nodes.change(replace(NODE, joined_at=tx.now, seen_at=tx.now))

    await state.write(join)
    view = await nodes.get(OPERATOR, "c1")
    assert (view.availability, view.connected) == (Availability.NOT_CONNECTED, False)
    await state.write(lambda tx: tx.nodes.change(replace(NODE, seen_at=tx.now)))
    view = await nodes.get(OPERATOR, "c1")
    assert (view.availability, view.connected) == (Availability.STARTING, True)
    assert view.runner is None and (view.cpus_taken, view.memory_taken_mb) == (0.0, 0)


async def test_the_machines_of_the_installation_are_no_nodes(
    state: State, nodes: NodeControl
) -> None:
    own = replace(RUNNER, id="R2", node="here", place="boot/x")
    earlier = replace(own, id="R3", place="boot/y", heartbeat_at=1)

    def work(tx: Any) -> None:
        tx.runs.put_runner(replace(RUNNER, heartbeat_at=tx.now))
        tx.runs.put_runner(replace(own, heartbeat_at=tx.now, trouble=AWAY))
        tx.runs.put_runner(earlier)

    await state.write(work)
    [view] = (await nodes.machines(OPERATOR)).own
    assert view.runner is not None and view.runner.id == "R2"
    assert view.availability is Availability.TROUBLE
    assert (await nodes.own_with_attempts(OPERATOR, "R2"))[0] == view
    for runner_id in ("R1", "absent", ""):
        with pytest.raises(NotFound):
            await nodes.own_with_attempts(OPERATOR, runner_id)
    await state.write(lambda tx: tx.runs.drop_runner("R2"))
    [silent] = (await nodes.machines(OPERATOR)).own
    assert silent.runner == earlier and silent.availability is Availability.SILENT


async def test_attempts_reserve_a_part_of_their_machine(setup: Setup) -> None:
    def work(tx: Any) -> None:
        tx.nodes.add(replace(NODE, runner_id="r1", seen_at=tx.now))
        tx.runs.put_runner(replace(RUNNER, id="r1", heartbeat_at=tx.now))

    await setup.storage.write(work)
    nodes = NodeControl(setup.storage, setup.attempts, setup.rules)
    run, leases = await setup.start(3)
    mine = replace(OPERATOR, account_id=run.account_id)
    view, attempts = await nodes.get_with_attempts(mine, "c1")
    assert view.attempts == len(attempts) == 3
    assert view.cpus_taken == pytest.approx(3 * run.limits.cpus, abs=0.001)
    assert view.memory_taken_mb == 3 * run.limits.memory_mb
    assert {item.attempt.id for item in attempts} == {lease.attempt.id for lease in leases}
    assert {(item.cpus, item.memory_mb) for item in attempts} == {
        (run.limits.cpus, run.limits.memory_mb)
    }
    _, others = await nodes.get_with_attempts(OPERATOR, "c1")
    assert {item.worker for item in others} == {""}


async def test_only_the_oldest_attempts_are_listed(setup: Setup) -> None:
    await setup.storage.write(lambda tx: tx.nodes.add(replace(NODE, runner_id="r1")))
    _, leases = await setup.start(MAX_ATTEMPTS + 2)
    nodes = NodeControl(setup.storage, setup.attempts, setup.rules)
    view, attempts = await nodes.get_with_attempts(OPERATOR, "c1")
    assert view.attempts == len(leases) == MAX_ATTEMPTS + 2
    oldest = sorted(lease.attempt.id for lease in leases)[:MAX_ATTEMPTS]
    assert [item.attempt.id for item in attempts] == oldest


async def test_others_see_no_machine(nodes: NodeControl) -> None:
    stranger = replace(OPERATOR, operator=False)
    for read in (
        nodes.machines(stranger),
        nodes.get_with_attempts(stranger, "c1"),
        nodes.own_with_attempts(stranger, "R2"),
    ):
        with pytest.raises(Forbidden):
            await read
