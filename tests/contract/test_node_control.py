"""What the operator decides about nodes, and who may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from fyke.domain.nodes.control import MAX_DRAIN_SECONDS, NodeControl
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.errors import Forbidden, InvalidRequest, NotFound, Refused, Unavailable
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role
from fyke.model.audit import AuditAction
from fyke.model.fleet import FleetEngine
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.run import RunState
from fyke.model.runner import RunnerInfo
from fyke.reasons import Reason, ReasonCode
from support.run_endings import FREE, Setup

pytestmark = pytest.mark.anyio
State = Any

OWNER = Caller("acme", "acme", True, "u", "", user_name="ada", session_id="s")
NODE = Node(
    "c1", "eu", {"gpu": "no"}, "", "J1", False, 5,
    runner_id="R1", epoch=3, gateway_id="G1", seen_at=7,
)  # fmt: skip
CHANGES: list[Callable[[NodeControl, Caller, str], Awaitable[object]]] = [
    lambda nodes, caller, name: nodes.cordon(caller, name),
    lambda nodes, caller, name: nodes.uncordon(caller, name),
    lambda nodes, caller, name: nodes.drain(caller, name, 60),
    lambda nodes, caller, name: nodes.replace(caller, name, 60),
    lambda nodes, caller, name: nodes.forget(caller, name),
]


@pytest.fixture
async def nodes(state: State) -> NodeControl:
    def work(tx: Any) -> None:
        tx.nodes.remove(NODE.name)
        tx.nodes.add(NODE)

    await state.write(work)
    attempts: Any = Attempts(state, cast(Any, None), FREE)  # there are none
    return NodeControl(state, attempts, FREE, FleetEngine.KUBERNETES)


async def test_a_node_is_cordoned_and_uncordoned(state: State, nodes: NodeControl) -> None:
    cordoned = (await nodes.cordon(OWNER, "c1")).node
    assert (cordoned.state, cordoned.state_by) == (NodeState.CORDONED, "ada")
    assert cordoned.state_at > 0 and (await nodes.get(OWNER, "c1")).node == cordoned
    assert (await nodes.cordon(OWNER, "c1")).node == cordoned  # it keeps who did it, and when
    ready = (await nodes.uncordon(replace(OWNER, user_name="bob", role=Role.MEMBER), "c1")).node
    kept = replace(NODE, state_by="bob", state_at=ready.state_at)
    assert ready == kept and ready in [view.node for view in await nodes.list(OWNER)]


async def test_what_was_decided_before_does_not_stay(state: State, nodes: NodeControl) -> None:
    reason = Reason.of(ReasonCode.DISK_FULL, free_mb=1, floor_mb=2)
    earlier = replace(NODE, state=NodeState.CORDONED, state_by="engine", reason=reason)
    await state.write(lambda tx: tx.nodes.change(earlier))
    assert (await nodes.uncordon(OWNER, "c1")).node.reason is None


async def test_the_time_of_a_drain_begins_with_each_call(nodes: NodeControl) -> None:
    first = (await nodes.drain(OWNER, "c1", 3600)).node
    assert first.state is NodeState.DRAINING
    assert first.drain_until == first.state_at + 3_600_000
    second = (await nodes.drain(OWNER, "c1", 0)).node
    assert second.drain_until == second.state_at < first.drain_until
    stopped = (await nodes.cordon(OWNER, "c1")).node
    assert (stopped.state, stopped.drain_until) == (NodeState.CORDONED, 0)


async def made_by_an_engine(state: State) -> None:
    await state.write(lambda tx: tx.nodes.change(replace(NODE, ephemeral=True)))


async def test_a_node_that_is_replaced_drains_first(state: State, nodes: NodeControl) -> None:
    await made_by_an_engine(state)
    node = (await nodes.replace(OWNER, "c1", 60)).node
    assert (node.state, node.replacing) == (NodeState.DRAINING, True)
    assert node.drain_until == node.state_at + 60_000
    assert (await nodes.get(OWNER, "c1")).node == node


@pytest.mark.parametrize("change", CHANGES[:3])
async def test_a_later_decision_withdraws_the_replacement(
    state: State, nodes: NodeControl, change: Callable[[NodeControl, Caller, str], Awaitable[Any]]
) -> None:
    await made_by_an_engine(state)
    await nodes.replace(OWNER, "c1", 60)
    assert not (await change(nodes, OWNER, "c1")).node.replacing


async def test_only_what_an_engine_has_made_is_replaced(state: State, nodes: NodeControl) -> None:
    with pytest.raises(Refused, match="no engine has made it, and none can replace it"):
        await nodes.replace(OWNER, "c1", 60)
    await made_by_an_engine(state)
    attempts: Any = Attempts(state, cast(Any, None), FREE)
    with pytest.raises(Refused, match=r'setting is fleet = "static": a person or systemd'):
        await NodeControl(state, attempts, FREE).replace(OWNER, "c1", 60)
    assert (await nodes.get(OWNER, "c1")).node.state is NodeState.READY


async def test_a_node_that_has_reported_lately_is_connected(
    state: State, nodes: NodeControl
) -> None:
    assert not (await nodes.get(OWNER, "c1")).connected
    for silent, connected in ((RUNNER_SILENCE_MS - 5_000, True), (RUNNER_SILENCE_MS + 1, False)):
        await state.write(lambda tx, ms=silent: tx.nodes.change(replace(NODE, seen_at=tx.now - ms)))
        view = await nodes.get(OWNER, "c1")
        assert (view.connected, view.attempts) == (connected, 0)
        assert view in await nodes.list(OWNER)


async def test_the_attempts_that_a_node_has_are_counted(setup: Setup) -> None:
    await setup.storage.write(lambda tx: tx.nodes.add(replace(NODE, runner_id="r1")))
    await setup.storage.write(lambda tx: tx.nodes.add(replace(NODE, name="c2", runner_id="r3")))
    nodes = NodeControl(setup.storage, setup.attempts, setup.rules)
    _, leases = await setup.start(3)
    assert {lease.attempt.runner_id for lease in leases} == {"r1"}
    assert [view.attempts for view in await nodes.list(OWNER)] == [3, 0]
    await setup.end(leases[0])
    assert (await nodes.cordon(OWNER, "c1")).attempts == 2


async def test_a_forgotten_node_is_gone(nodes: NodeControl) -> None:
    await nodes.forget(OWNER, "c1")
    for change in (*CHANGES, lambda nodes, caller, name: nodes.get(caller, name)):
        with pytest.raises(
            NotFound, match='There is no node "c1"; list the nodes to see their names'
        ):
            await change(nodes, OWNER, "c1")


async def test_the_attempts_of_a_forgotten_node_end_at_once(setup: Setup) -> None:
    def work(tx: Any) -> None:
        tx.nodes.add(NODE)
        for runner_id, place in (("r1", "node/c1"), ("r2", "node/c2")):
            runner = RunnerInfo(runner_id, "c", "full", "", 8, 1024, tx.now, place=place)
            tx.runs.put_runner(runner)

    await setup.storage.write(work)
    run, leases = await setup.start(2)
    await setup.push(leases[0], 3)
    await NodeControl(setup.storage, setup.attempts, setup.rules).forget(OWNER, "c1")
    ended = await setup.check_ended_once(run)
    assert ended.reason is not None and ended.reason.code is ReasonCode.RUNNER_LOST
    assert (await setup.results.totals(run.id, frozenset())).rows == 3
    [left] = await setup.storage.read(lambda tx: tx.runs.runners(0))
    assert left.id == "r2"


async def test_attempts_of_another_node_go_on(setup: Setup) -> None:
    def work(tx: Any) -> None:
        tx.nodes.add(NODE)
        runner = RunnerInfo("r1", "c", "full", "", 8, 1024, tx.now, place="node/c10")
        tx.runs.put_runner(runner)

    await setup.storage.write(work)
    run, _ = await setup.start()
    await NodeControl(setup.storage, setup.attempts, setup.rules).forget(OWNER, "c1")
    assert (await setup.stored(run)).state is RunState.RUNNING


async def test_a_node_is_forgotten_although_its_attempts_cannot_be_ended(
    state: State, nodes: NodeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Attempts, place: str) -> int:
        assert place == "node/c1"
        raise Unavailable("the database is away")

    monkeypatch.setattr(Attempts, "end_of_place", away)
    await nodes.forget(OWNER, "c1")
    assert await state.read(lambda tx: tx.nodes.get("c1")) is None


@pytest.mark.parametrize("seconds", [-1, MAX_DRAIN_SECONDS + 1])
async def test_a_drain_has_a_longest_time(nodes: NodeControl, seconds: int) -> None:
    with pytest.raises(InvalidRequest, match="seconds must be 0 to 604800, which is 7 days"):
        await nodes.drain(OWNER, "c1", seconds)


@pytest.mark.parametrize(
    "caller", [replace(OWNER, operator=False), replace(OWNER, role=Role.VIEWER)]
)
async def test_others_change_nothing(nodes: NodeControl, caller: Caller) -> None:
    for change in CHANGES:
        with pytest.raises(Forbidden):
            await change(nodes, caller, "c1")
    assert (await nodes.get(OWNER, "c1")).node == NODE
    if not caller.operator:
        with pytest.raises(Forbidden):
            await nodes.list(caller)
        with pytest.raises(Forbidden):
            await nodes.get(caller, "c1")


async def test_members_forget_no_node(nodes: NodeControl) -> None:
    with pytest.raises(Forbidden):
        await nodes.forget(replace(OWNER, role=Role.MEMBER), "c1")


async def test_each_change_is_in_the_audit_log(state: State, nodes: NodeControl) -> None:
    caller = replace(OWNER, account_id=new_ulid())
    await nodes.cordon(caller, "c1")
    await nodes.cordon(caller, "c1")
    await nodes.drain(caller, "c1", 60)
    await nodes.uncordon(caller, "c1")
    await nodes.forget(caller, "c1")
    account = caller.account_id
    entries = await state.read(lambda tx: tx.audit.page(account, before=0, limit=9, action=""))
    assert [(entry.action, entry.target, entry.detail) for entry in entries] == [
        (AuditAction.NODE_FORGOTTEN, "c1", "pool eu"),
        (AuditAction.NODE_UNCORDONED, "c1", ""),
        (AuditAction.NODE_DRAINED, "c1", "within 1 minute"),
        (AuditAction.NODE_CORDONED, "c1", ""),
    ]
