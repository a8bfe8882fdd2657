"""``fyke fleet``: what it repeats, what it prints, and when there is nothing to ask."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from fyke.app import fleet as app_fleet
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.fleet import list_machines, repeat, show_fleet, up
from fyke.errors import RateLimited, Unavailable
from fyke.model.fleet import FleetBounds, FleetGroup, FleetMachine, FleetState
from fyke.model.node import NodeState
from fyke_client.errors import ApiError
from fyke_client.types.fyke.nodes import NodeItem, PoolDemandItem
from support.scripted import ScriptedServer
from unit.cli.test_node import NODE

STATE = FleetState(
    [
        FleetGroup("pool-a", "a", 2, 2, 3072, FleetBounds(0, 5), ""),
        FleetGroup("pool-b", "b", 0, 2, 3072, None, ""),
        FleetGroup("pool-c", "c", 0, 2, 3072, None, "The ScaledObject x scales pool-c"),
    ],
    [
        FleetMachine("gpu-1", "u1", "pool-a", "Running", ending=False, removal_cost=3),
        FleetMachine("gpu-2", "u2", "pool-a", "Pending", ending=True, removal_cost=0),
    ],
)


class Stop(threading.Event):
    """Set after as many pauses as there are steps; notes them."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.pauses = steps, list[float | None]()

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        if len(self.pauses) == self.steps:
            self.set()
        return self.is_set()


def failing(*errors: Exception | None) -> Any:
    left = iter(errors)

    def step() -> None:
        if error := next(left):
            raise error

    return step


def test_a_known_failure_is_logged_and_tried_again() -> None:
    errors = (
        Unavailable("the cluster is away"),
        RateLimited(40, "later"),
        ApiError(429, 4290, "Too many requests", retry_after=20),
        RateLimited(1, "soon"),
        None,
    )
    stop = Stop(len(errors))
    with capture_logs() as logs:
        repeat(failing(*errors), 15, stop)
    assert stop.pauses == [15, 40, 20, 15, 15]
    assert [line["event"] for line in logs] == ["fleet_step_failed"] * 4 + ["fleet_steps_again"]
    assert logs[0]["error"] == "the cluster is away"


def test_an_unexpected_failure_ends_it() -> None:
    with pytest.raises(ZeroDivisionError):
        repeat(failing(ZeroDivisionError()), 15, Stop(1))


def test_without_an_engine_it_says_who_starts_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_HOME", str(tmp_path))
    commands: list[Any] = [up, list_machines]
    for command in commands:
        with pytest.raises(CommandFailed, match='fleet = "static": a person or systemd') as failed:
            command(ScriptedServer())
        assert failed.value.code is Exit.CONFLICT


class Engine:
    """An engine that ends the command with SIGTERM when it was asked."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def state(self) -> FleetState:
        return STATE

    def remove(self, machine: FleetMachine) -> bool:
        self.removed.append(machine.name)
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    def mark(self, machine: FleetMachine, cost: int) -> bool:
        return True

    def scale(self, group: FleetGroup, count: int) -> None:
        assert (group.name, count) == ("pool-a", 4)  # 7 cores


def test_it_does_what_the_installation_says_until_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()

    @contextlib.contextmanager
    def opened(settings: Any) -> Iterator[Engine]:
        yield engine

    monkeypatch.setenv("FYKE_HOME", str(tmp_path))
    monkeypatch.setenv("FYKE_FLEET", "kubernetes")
    monkeypatch.setattr(app_fleet, "open_fleet", opened)
    monkeypatch.setattr("fyke.telemetry.logging.configure", lambda *_: None)
    node = msgspec.structs.replace(NODE, attempts=0, replacing=True)
    demand = PoolDemandItem("a", 1, 1, 3.0, 4.0, 512, 512, 0, 0)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server: Any = ScriptedServer(nodes=[node], node_demand=[demand])
        up(server)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert engine.removed == ["gpu-1"]


def shown(nodes: list[NodeItem], as_json: bool = False) -> Any:
    server: Any = ScriptedServer(as_json)
    show_fleet(server, STATE, nodes)
    return server


def test_machines_are_shown_with_their_nodes_and_groups_with_what_scales_them() -> None:
    server = shown([NODE])
    _, first, second = (line.split() for line in server.data.splitlines())
    assert first == ["gpu-1", "pool-a", "Running", "draining", "3", "3"]
    assert second == ["gpu-2", "pool-a", "ending", "-", "-", "0"]
    for sentence in (
        "pool-a: 2 of the pool a. Fyke keeps 0 to 5.",
        "pool-b: 0 of the pool b. Fyke does not scale it.",
        "pool-c: 0 of the pool c. The ScaledObject x scales pool-c.",
    ):
        assert sentence in server.messages


@pytest.mark.parametrize(("replacing", "text"), [(True, "replacing"), (False, "cordoned")])
def test_a_node_that_is_replaced_is_shown(replacing: bool, text: str) -> None:
    node = msgspec.structs.replace(NODE, state=NodeState.CORDONED, replacing=replacing)
    assert text in shown([node]).data


def test_the_same_as_json() -> None:
    data = json.loads(shown([NODE], as_json=True).data)
    assert [one["is_node"] for one in data["machines"]] == [True, False]
    bounds = [(one["least"], one["most"]) for one in data["groups"]]
    assert bounds == [(0, 5), (None, None), (None, None)]
