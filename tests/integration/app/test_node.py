"""The runner role of a node over a real link to a real gateway: how it stops, and what makes it.

The runner is the real one; what runs Workers is not there, so its only attempt is a stand-in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.app import node
from fyke.app.folder import is_node
from fyke.app.node_folder import NodeFolder, read_node, write_node
from fyke.contracts.execution import IdleSandboxes, Isolation, IsolationReport
from fyke.domain.runs.outcome import end_of
from fyke.errors import Conflict, NodeEnded
from fyke.kit.certificates import expiry_of
from fyke.model.attempt import AttemptReport
from fyke.model.node import EgressPolicy, NodeState, Registered
from fyke.model.run import End
from fyke.model.runner import AttemptUsage
from fyke.reasons import Reason, ReasonCode
from fyke.runner.disk import RunnerDisk
from fyke.runner.egress_rules import EgressRules
from fyke.runner.loop import Runner, RunnerSize
from fyke.settings import Settings
from support.app import open_app
from support.egress import until
from support.remote_nodes import OWN, RemoteNode, open_remote

pytestmark = pytest.mark.anyio
STOPPED = end_of(Reason(ReasonCode.PLATFORM_STOPPED))
DRAINED = end_of(Reason(ReasonCode.NODE_DRAINED))


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[RemoteNode]:
    async with open_app(tmp_path, templates) as app, open_remote(app, tmp_path / "b") as place:
        place.runner.answers |= {
            "register": Registered(NodeState.READY, 15.0),
            "replace_earlier": 0,
            "active": [OWN],
        }
        yield place


class Parts:
    """What a runner needs of its machine; nothing is started there."""

    isolation = IsolationReport(Isolation.FULL, "", ())
    unsafe, browser, disk = False, None, None

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        self.egress_rules = EgressRules(EgressPolicy())
        self.site_sharing = None

    @property
    def sandbox(self) -> Parts:
        return self

    intake = egress = environments = sandbox

    async def run(self) -> None:  # of the intake
        await asyncio.Event().wait()

    async def start(self) -> None: ...

    stop = check = start

    async def probe(self) -> IsolationReport:
        return self.isolation

    async def sweep(self, keep: Any) -> None: ...

    async def held(self) -> tuple[str, ...]:
        return ()

    async def idle_sandboxes(self) -> IdleSandboxes:
        return IdleSandboxes(0, 0)

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        yield

    def stop_waiting(self) -> None: ...


class Attempt:
    """One of this node, that takes a moment to stop."""

    order = SimpleNamespace(key=OWN, limits=SimpleNamespace(cpus=1, memory_mb=1))

    def __init__(self, runner: Runner) -> None:
        self.ends: list[End] = []
        self._is_stopped = asyncio.Event()
        runner._attempt_runners[OWN.id] = cast(Any, self)
        runner._run_task(self._work(runner))
        self.has_stopped = False

    def stop(self, end: End) -> None:
        self.ends.append(end)
        self._is_stopped.set()

    def report(self) -> AttemptReport:
        return AttemptReport(OWN, AttemptUsage())

    def confirm_report(self, report: AttemptReport) -> None: ...

    async def _work(self, runner: Runner) -> None:
        await self._is_stopped.wait()
        await asyncio.sleep(0)
        self.has_stopped = True
        del runner._attempt_runners[OWN.id]


class Machine:
    """The machine of the node ``n1``; ``serve`` runs its role."""

    def __init__(self, place: RemoteNode, home: Path) -> None:
        self.place = place
        self.settings = Settings(home=home)
        self.runners: list[Runner] = []
        self.settings.run_dir.mkdir(parents=True)
        self.join((f"127.0.0.1:{place.gateway.address[1]}",))

    def join(self, gateways: tuple[str, ...]) -> None:
        joined = self.place.joined
        folder = NodeFolder("n1", "default", {}, gateways, joined.authority, joined.own)
        write_node(self.settings.home, folder)

    def make_runner(
        self, _: Settings, gateway: Any, *__: Any, disk: RunnerDisk, region: str
    ) -> Runner:
        assert region == ""  # its folder has no labels
        assert disk.facts().total  # that of its folder
        runner = Runner(RunnerSize(1, 512, 1), cast(Any, Parts(gateway)))
        self.runners.append(runner)
        return runner

    @property
    def runner(self) -> Runner:
        return self.runners[0]

    async def takes(self) -> None:
        """Wait until the node takes attempts."""
        await until(lambda: bool(self.place.runner.called("lease")))


@pytest.fixture
async def machine(
    place: RemoteNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Machine]:
    @contextlib.asynccontextmanager
    async def no_browsers(*_: Any, **__: Any) -> AsyncIterator[None]:
        yield

    machine = Machine(place, tmp_path / "node")
    monkeypatch.setattr(node, "make_runner", machine.make_runner)
    monkeypatch.setattr(node, "open_sandbox", lambda _: Parts(None))
    monkeypatch.setattr(node, "WarmSandboxes", lambda *_: Parts(None))
    monkeypatch.setattr(node, "EgressClient", lambda _: Parts(None))
    monkeypatch.setattr(node, "open_browsers", no_browsers)
    yield machine
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def test_a_node_runs_until_sigterm(machine: Machine) -> None:
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await machine.takes()
    [info] = machine.place.runner.called("register")[0]
    assert (info.cpus, info.memory_mb) == (1, 512)
    assert machine.settings.node_file.read_text() == "n1\n"
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert machine.place.runner.called("leave") == [()]


async def test_the_first_sigterm_waits_for_the_attempts_and_the_second_stops_them(
    machine: Machine,
) -> None:
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await machine.takes()
    attempt = Attempt(machine.runner)
    os.kill(os.getpid(), signal.SIGTERM)
    await machine.runner.draining()
    calls = machine.place.runner.called
    await until(lambda: calls("register")[-1][0].draining)
    assert attempt.ends == [] and not serving.done()
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert attempt.ends == [DRAINED] and attempt.has_stopped


@pytest.mark.parametrize("is_forgotten", [True, False])
async def test_a_node_that_leaves_keeps_its_folder_only_if_it_is_not_forgotten(
    machine: Machine, is_forgotten: bool
) -> None:
    if not is_forgotten:
        machine.place.runner.answers["leave"] = Conflict("only the operator")
    machine.settings = machine.settings.model_copy(update={"node_leave": True})
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await machine.takes()
    assert machine.place.runner.called("leave") == []
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert machine.place.runner.calls[-1] == ("leave", (), {"forget": True})
    assert is_node(machine.settings.home) is not is_forgotten


async def test_an_idle_node_leaves_by_itself_when_its_last_attempt_is_long_ago(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def busy_runner(*given: Any, **named: Any) -> Runner:
        runner = machine.make_runner(*given, **named)
        attempts.append(Attempt(runner))
        return runner

    monkeypatch.setattr(node, "make_runner", busy_runner)
    idle = {"node_leave": True, "node_idle_minutes": 0.3 / 60}
    machine.settings = machine.settings.model_copy(update=idle)
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await until(lambda: bool(machine.place.runner.called("register")))
    assert not serving.done() and machine.runner.idle_seconds == 0
    attempts[0].stop(DRAINED)
    with pytest.raises(NodeEnded, match=r"The node had no attempt for 0\.3 s") as ended:
        await asyncio.wait_for(serving, 60)
    assert ended.value.was_idle and machine.runner.idle_seconds >= 0.3
    assert machine.place.runner.calls[-1] == ("leave", (), {"forget": True})
    assert not is_node(machine.settings.home)


async def test_a_node_that_was_never_connected_stops_at_sigterm(machine: Machine) -> None:
    with socket.socket() as bound:  # not listening, so it refuses
        bound.bind(("127.0.0.1", 0))
        machine.join((f"127.0.0.1:{bound.getsockname()[1]}",))
        serving = asyncio.create_task(node.serve_node(machine.settings))
        await until(lambda: bool(machine.runners))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 5)
    assert machine.place.runner.called("register") == []


async def test_a_forgotten_node_stops_its_workers_and_says_why(machine: Machine) -> None:
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await machine.takes()
    attempt = Attempt(machine.runner)
    await machine.place.gateway.storage.write(lambda tx: tx.nodes.remove("n1"))
    with pytest.raises(NodeEnded, match="The installation has forgotten this node"):
        await serving
    assert attempt.ends == [STOPPED] and attempt.has_stopped


async def test_a_node_whose_name_another_machine_has_stops_its_workers_and_says_why(
    machine: Machine,
) -> None:
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await machine.takes()
    attempt = Attempt(machine.runner)
    _, other = machine.place.connect("R2")
    with pytest.raises(NodeEnded, match=r"Another machine has the name of this node: 127\.0\.0\.1"):
        await serving
    assert attempt.ends == [STOPPED] and attempt.has_stopped
    assert other.connected.is_set()


async def test_workers_that_do_not_stop_delay_the_end_for_a_limited_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "STOP_SECONDS", 0.05)
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await machine.takes()
    attempt = Attempt(machine.runner)
    monkeypatch.setattr(attempt, "stop", attempt.ends.append)
    await machine.place.gateway.storage.write(lambda tx: tx.nodes.remove("n1"))
    with pytest.raises(NodeEnded):
        await asyncio.wait_for(serving, 20)
    assert attempt.ends == [STOPPED] and not attempt.has_stopped


async def test_a_renewed_certificate_is_kept(machine: Machine) -> None:
    before = read_node(machine.settings.home)
    serving = asyncio.create_task(node.serve_node(machine.settings))
    await until(lambda: read_node(machine.settings.home).own != before.own)
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    kept = read_node(machine.settings.home)
    assert kept == replace(before, own=kept.own)
    assert expiry_of(kept.own.certificate) >= expiry_of(before.own.certificate)
