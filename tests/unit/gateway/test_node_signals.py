"""Signals reach the nodes that they concern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import pytest

from fyke.contracts.signals import PREPARE, STOP, WORK
from fyke.errors import Unavailable
from fyke.gateway import environment_holders, work_rounds
from fyke.gateway.node_signals import FindStopping, NodeSignals
from fyke.wire.nodes import AttemptsStopped, NodeNotice, PreparationWaits, WorkWaits
from support.egress import until
from support.scripted_gateway import ScriptedGateway

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No node is asked only because another one is slow, however slow the test is."""
    monkeypatch.setattr(work_rounds, "ANSWER_SECONDS", 60.0)


class NotedNode:
    """Notes what it is told."""

    kind: Hashable = "default"

    def __init__(self, runner_id: str) -> None:
        self.runner_id = runner_id
        self.environments: tuple[str, ...] = ()
        self.notices: list[NodeNotice] = []

    def notify(self, notice: NodeNotice) -> None:
        self.notices.append(notice)


class Place:
    def __init__(self, find_stopping: FindStopping | None, count: int = 3) -> None:
        self.runner = ScriptedGateway()
        self.signals = NodeSignals(self.runner.listen, find_stopping)
        self.nodes = [NotedNode(f"R{number}") for number in range(count)]
        for node in self.nodes:
            self.signals.add(node)

    async def told(self, topic: str) -> list[str]:
        """The runners that are told something because of a signal."""
        for node in self.nodes:
            node.notices.clear()
        self.runner.topics.put_nowait(topic)
        await until(lambda: any(node.notices for node in self.nodes))
        return [node.runner_id for node in self.nodes if node.notices]


@asynccontextmanager
async def opened(find_stopping: FindStopping | None = None, count: int = 3) -> AsyncIterator[Place]:
    place = Place(find_stopping, count)
    yield place
    place.signals.close()


async def test_one_listener_serves_all_nodes() -> None:
    async with opened() as place:
        assert await place.told(PREPARE) == ["R0", "R1", "R2"]
        assert place.nodes[0].notices == [PreparationWaits()]
        assert await place.told(WORK) == ["R0"]
        assert place.nodes[0].notices == [WorkWaits()]
        assert place.runner.listeners == 1
        place.signals.remove(place.nodes[1])
        assert await place.told(PREPARE) == ["R0", "R2"]


async def test_only_runners_with_such_attempts_are_told_to_stop_some() -> None:
    looks, gate = 0, asyncio.Event()

    async def find() -> frozenset[str]:
        nonlocal looks
        looks += 1
        await gate.wait()
        return frozenset({"R1", "of another gateway"})

    async with opened(find) as place:
        place.runner.topics.put_nowait(STOP)
        await until(lambda: looks == 1)
        for _ in range(4):
            place.runner.topics.put_nowait(STOP)
        await until(place.runner.topics.empty)
        gate.set()
        await until(lambda: looks == 2)
        await until(lambda: len(place.nodes[1].notices) == 2)
        assert [node.notices for node in place.nodes] == [[], [AttemptsStopped()] * 2, []]
        assert await place.told(STOP) == ["R1"]


async def test_all_are_told_when_that_is_not_known() -> None:
    async def find() -> frozenset[str]:
        raise Unavailable

    for found in (None, find):
        async with opened(found) as place:
            assert await place.told(STOP) == ["R0", "R1", "R2"]


async def test_a_lease_that_leaves_something_wakes_no_more_than_the_next_node() -> None:
    async with opened(count=100) as place:
        told = lambda: [node for node in place.nodes if node.notices]  # noqa: E731

        def asks(node: NotedNode, *, found: bool = False, none_left: bool = False) -> None:
            place.signals.leasing(node)
            place.signals.leased(node, found=found, none_left=none_left)

        await place.told(WORK)
        place.signals.left(60_000)
        asks(place.nodes[0])
        assert told() == place.nodes[:2]
        asks(place.nodes[1], found=True)  # it has the environment
        assert told() == place.nodes[:4]
        for node in place.nodes[2:4]:
            asks(node, none_left=True)
        assert told() == place.nodes[:4]


async def test_work_is_offered_first_to_nodes_with_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work_rounds, "HEAD_START_SECONDS", 60.0)
    monkeypatch.setattr(environment_holders, "HOLDERS_FIRST_MS", 60_000)
    async with opened(count=100) as place:
        last = place.nodes[-1]
        last.environments = ("e1",)
        place.signals.registered(last)
        place.signals.wanted("e1")
        assert await place.told(WORK) == ["R99"]
        place.signals.leasing(last)
        place.signals.remove(last)
        assert place.signals._holders.first(0) == set()


async def test_a_node_has_another_kind_as_soon_as_it_has_registered() -> None:
    async with opened() as place:
        last = place.nodes[-1]
        last.kind = "other"
        place.signals.registered(last)
        assert await place.told(WORK) == ["R0", "R2"]


async def test_a_lease_of_a_connection_that_has_ended_changes_nothing() -> None:
    async with opened(count=1) as place:
        [node] = place.nodes
        place.signals.leasing(node)
        place.signals.remove(node)
        place.signals.leased(node, found=False, none_left=True)
        place.signals.registered(node)
        place.signals.leasing(node)
        rounds = place.signals._rounds
        assert (rounds._kinds, rounds._kind_of, rounds._looks) == ({}, {}, {})
