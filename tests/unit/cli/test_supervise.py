"""Parts of the supervisor's program; the e2e tests run all of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from fyke.cli import supervise
from fyke.cli.errors import CommandFailed
from fyke.cli.preload_client import ForkFailed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_second_signal_stops_at_once(number: signal.Signals) -> None:
    async def work() -> None:
        stop, stop_now = supervise._on_signals()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 10)
        assert not stop_now.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop_now.wait(), 10)

    asyncio.run(work())


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_the_base_url_is_that_of_the_listening_socket(host: str, shown: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        base = supervise._base_url(listener.fileno())
        assert base == f"http://{shown}:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [(0, 0, ""), (3, 3, ""), (-9, 137, "fyke: A step was ended by SIGKILL; the platform stops\n")],
)
def test_the_exit_status_of_a_signal_is_that_of_shells(
    code: int, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supervise._exit_status(code, "A step") == status
    assert capsys.readouterr().err == message


# --- the steps of a start


class Supervisor:
    """Runs the tasks with these results: an exit status, or an error."""

    def __init__(self, **results: list[int | ForkFailed]) -> None:
        self.results, self.started = results, False

    async def run_task(self, task: str, /, **details: Any) -> int:
        result = self.results[task.replace("-", "_")].pop(0)
        if isinstance(result, ForkFailed):
            raise result
        return result

    def start(self) -> None:
        self.started = True


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(supervise, "delay", lambda *_, **__: 0)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield bound.fileno()


def start(supervisor: Supervisor, listener: int, *, tour: bool = False) -> int:
    first_job = {"tour": tour, "url": None, "once": False}
    starting = supervise._start_platform(supervisor, first_job, listener)  # type: ignore[arg-type]
    return asyncio.run(starting)


BUSY = ForkFailed("the preload process is being restarted")


def test_a_failed_first_job_does_not_stop_the_platform(
    listener: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for code in (6, -9):
        supervisor = Supervisor(prepare=[0], first_job=[code])
        assert start(supervisor, listener) == 0
        assert supervisor.started
        assert f"the first job failed (status {code})" in capsys.readouterr().err
    supervisor = Supervisor(prepare=[0], first_job=[BUSY] * 9)
    assert start(supervisor, listener) == 0
    assert "the preload process is being restarted; the platform" in capsys.readouterr().err


def test_a_failed_tour_stops_the_platform(listener: int) -> None:
    assert start(Supervisor(prepare=[0], first_job=[6]), listener, tour=True) == 6
    with pytest.raises(CommandFailed, match="being restarted"):
        start(Supervisor(prepare=[0], first_job=[BUSY] * 9), listener, tour=True)


def test_a_task_is_forked_again_when_the_preload_process_dies(listener: int) -> None:
    supervisor = Supervisor(prepare=[BUSY, BUSY, 0], first_job=[BUSY, 0])
    assert start(supervisor, listener) == 0
    assert supervisor.results == {"prepare": [], "first_job": []}


def test_without_a_database_no_role_is_started(listener: int) -> None:
    supervisor = Supervisor(prepare=[1], first_job=[])
    assert start(supervisor, listener) == 1
    assert not supervisor.started
    with pytest.raises(CommandFailed, match="Fyke could not be started"):
        start(Supervisor(prepare=[BUSY] * 9, first_job=[]), listener)


# --- nodes


class NodeSupervisor:
    """Counts how often the roles of a node were started."""

    def __init__(self) -> None:
        self.started = 0
        self.node_ended = asyncio.Event()
        self.node_idle = asyncio.Event()

    def start(self) -> None:
        self.started += 1


@pytest.mark.parametrize(
    ("events", "status"),
    [
        (("stop",), 0),
        (("node_ended",), 7),
        (("stop", "node_ended"), 7),
        (("node_idle",), 0),
    ],
)
def test_a_node_runs_until_a_signal_or_until_the_installation_does_not_serve_it(
    events: tuple[str, ...], status: int
) -> None:
    async def work() -> None:
        supervisor, stop = NodeSupervisor(), asyncio.Event()
        running = asyncio.create_task(supervise._run_node(supervisor, stop))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert supervisor.started == 1 and not running.done()
        for name in events:
            (stop if name == "stop" else getattr(supervisor, name)).set()
        assert await asyncio.wait_for(running, 10) == status
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())
