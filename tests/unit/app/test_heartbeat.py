"""The reports of a role over a real socket pair; the test is its supervisor."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from fyke.app.heartbeat import PEER_SECONDS, Heartbeat
from fyke.contracts.liveness import ProcessReport, StorePath, StoreState
from fyke.errors import Unavailable
from fyke.kit.clock import ManualClock
from fyke.storage.sql.counted import CountedExecutor

pytestmark = pytest.mark.anyio


class Supervisor:
    """The other end."""

    def __init__(self, clock: ManualClock) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setblocking(False)
        self.heartbeat = Heartbeat("runner", theirs, seconds=0.001, clock=clock.monotonic)
        self.theirs = theirs

    async def store(self) -> str:
        """The state of the database in the next report."""
        packet = await asyncio.get_running_loop().sock_recv(self.socket, 4096)
        return str(json.loads(packet)["store"])

    async def until(self, state: str) -> list[str]:
        """The states up to and with the first ``state``."""
        states = [await self.store()]
        while states[-1] != state:
            states.append(await self.store())
        return states

    async def answer(self, *known: Any) -> None:
        """Send what is known of the roles, and wait until it is read."""
        self.socket.send(json.dumps(known).encode())
        while len(self.heartbeat.processes()) != len(known):
            await asyncio.sleep(0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def supervisor(clock: ManualClock) -> AsyncIterator[Supervisor]:
    made = Supervisor(clock)
    async with made.heartbeat.running():
        yield made
    made.socket.close()
    made.theirs.close()


def path(
    check: Callable[[], Awaitable[object]],
    progress: Callable[[], tuple[int, int]] = lambda: (0, 0),
) -> StorePath:
    return StorePath(check, progress)


async def test_a_role_without_a_database_reports_that_it_runs(supervisor: Supervisor) -> None:
    assert [await supervisor.store() for _ in range(3)] == ["none"] * 3


async def test_a_report_says_when_a_gateway_is_needed(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    assert json.loads(await loop.sock_recv(supervisor.socket, 4096))["gateway"] is False
    supervisor.heartbeat.need_gateway()
    while not json.loads(await loop.sock_recv(supervisor.socket, 4096))["gateway"]:
        pass


async def test_that_a_browser_is_needed_is_reported_at_once_and_until_it_is_not() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        heartbeat = Heartbeat("runner", theirs, seconds=3600)
        assert heartbeat.supervised
        heartbeat.need_browser(True)
        heartbeat.need_browser(True)
        heartbeat.need_browser(False)
        heartbeat.need_browser(True)
        ours.setblocking(False)
        reports = [json.loads(ours.recv(4096)) for _ in range(2)]
        assert [report["browser"] for report in reports] == [True, True]
        with pytest.raises(BlockingIOError):
            ours.recv(4096)
    alone = Heartbeat("runner", None)
    alone.need_browser(True)
    assert not alone.supervised


async def test_a_report_has_the_worst_state_of_the_database(supervisor: Supervisor) -> None:
    away, answer = True, asyncio.Event()

    async def check() -> None:
        if away:
            raise Unavailable("away")
        await answer.wait()

    async def answers() -> None: ...

    supervisor.heartbeat.watch_stores([path(check), path(answers)])
    await supervisor.until("failed")
    away = False
    await supervisor.until("pending")
    assert [await supervisor.store() for _ in range(3)] == ["pending"] * 3
    answer.set()
    await supervisor.until("answered")


async def test_while_a_check_waits_in_the_queue_other_completed_operations_count(
    supervisor: Supervisor,
) -> None:
    returned, raised = 0, 0

    async def never() -> None:
        await asyncio.Event().wait()

    supervisor.heartbeat.watch_stores([path(never, lambda: (returned, raised))])
    await supervisor.until("pending")
    returned, raised = 1, 1
    await supervisor.until("answered")
    await supervisor.until("pending")
    raised += 1
    assert "answered" not in await supervisor.until("failed")
    await supervisor.until("pending")


async def test_completed_work_is_counted_even_if_it_is_not_awaited() -> None:
    with CountedExecutor(1) as executor:
        executor.submit(int, "1").result()
        with pytest.raises(ValueError, match="invalid literal"):
            executor.submit(int, "x").result()
        assert executor.progress() == (1, 1)
        release = Event()
        with ThreadPoolExecutor(1) as waiter:
            waiting = executor.submit(release.wait)
            assert executor.progress() == (1, 1)
            waiter.submit(release.set)
            waiting.result(30)
    assert executor.progress() == (2, 1)


async def test_a_role_knows_what_its_supervisor_knows(
    supervisor: Supervisor, clock: ManualClock
) -> None:
    assert supervisor.heartbeat.processes() == []
    await supervisor.answer(("egress", 0.5, "none", 2, "it exited with status 1"))
    assert supervisor.heartbeat.processes() == [
        ProcessReport("egress", 0.5, StoreState.NONE, 2, "it exited with status 1")
    ]
    assert supervisor.heartbeat.peer_store() is None
    own, peer = ("runner", 0.1, "failed", 0, ""), ("server", 1.0, "answered", 0, "")
    await supervisor.answer(own, peer)
    assert supervisor.heartbeat.peer_store() is StoreState.ANSWERED
    clock.advance(PEER_SECONDS)
    assert supervisor.heartbeat.peer_store() is None


async def test_a_role_continues_without_its_supervisor(supervisor: Supervisor) -> None:
    await supervisor.store()
    supervisor.socket.close()
    for _ in range(20):
        await asyncio.sleep(0.001)
    running = [str(task.get_coro()) for task in asyncio.all_tasks()]
    assert any("_report_regularly" in name for name in running)
    async with Heartbeat("server", None).running() as alone:
        assert alone is None
