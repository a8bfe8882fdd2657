"""The client of the launcher over a real socket; the test answers instead of the launcher."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.execution import SandboxFault
from fyke.sandbox.process.launcher_client import PACKET, LauncherClient, LauncherGone
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.process.sandbox_process import ProcessExit, ProcessUsage, close_pipes

pytestmark = pytest.mark.anyio

ORDER = LaunchOrder("A", "go", None, None, 1, 2**26, 8, 2**20, 2**20)


class Launcher:
    """The other end of the socket."""

    def __init__(self, path: Path) -> None:
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self.server.bind(str(path))
        self.server.listen()
        self.connection: socket.socket | None = None

    async def request(self) -> dict[str, Any]:
        """The next request that is not a report."""
        while (packet := await self.packet())["op"] == "report":
            pass
        return packet

    async def packet(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        if self.connection is None:
            self.connection, _ = await loop.sock_accept(self.server)
            self.connection.setblocking(False)
        return dict(json.loads(await loop.sock_recv(self.connection, PACKET)))

    def answer(
        self, request: dict[str, Any], descriptors: Sequence[int] = (), **message: Any
    ) -> None:
        assert self.connection is not None
        packet = json.dumps({"id": request["id"], **message}).encode()
        socket.send_fds(self.connection, [packet], list(descriptors))

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[Launcher]:
    peer = Launcher(tmp_path / "socket")
    yield peer
    peer.disconnect()
    peer.server.close()


@pytest.fixture
async def client(tmp_path: Path, launcher: Launcher) -> AsyncIterator[LauncherClient]:
    launcher_client = LauncherClient(tmp_path / "socket", timeout=0)
    yield launcher_client
    await launcher_client.close()


def pipes() -> tuple[list[int], int]:
    """Seven descriptors for a sandbox, and the peer of the first."""
    ours, theirs = socket.socketpair()
    rest = [socket.socket().detach() for _ in range(4)]
    out = os.open("/dev/null", os.O_RDONLY)
    return [theirs.detach(), *rest, out, os.dup(out)], ours.detach()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def open_sandbox(client: LauncherClient, launcher: Launcher) -> Any:
    """A sandbox that the launcher has started."""
    starting = asyncio.create_task(client.start(ORDER))
    request = await launcher.request()
    assert (request["op"], request["name"]) == ("open", "A")
    numbers, other = pipes()
    launcher.answer(request, numbers, result={"user": 31_000, "enforced": ["cpu"], "cached": 7})
    for number in (*numbers, other):
        os.close(number)
    return await starting


async def test_each_request_gets_its_own_answer(client: LauncherClient, launcher: Launcher) -> None:
    limits = asyncio.create_task(client.limits())
    first = await launcher.request()
    sweep = asyncio.create_task(client.sweep(frozenset({"B", "A"})))
    second = await launcher.request()
    assert (second["op"], second["living"]) == ("sweep", ["A", "B"])
    launcher.answer(second, result=["C"])
    launcher.answer(first, result=["v1", "no v2"])
    assert await sweep == ["C"]
    assert await limits == ("v1", "no v2")


async def test_an_error_of_the_launcher_is_a_fault(
    client: LauncherClient, launcher: Launcher
) -> None:
    limits = asyncio.create_task(client.limits())
    launcher.answer(await launcher.request(), error="name A: this client has no such sandbox")
    with pytest.raises(SandboxFault, match="no such sandbox"):
        await limits


async def test_without_a_launcher_the_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxFault, match=f"no launcher at {tmp_path}/none"):
        await LauncherClient(tmp_path / "none", timeout=0).limits()


async def test_the_client_waits_for_a_launcher_that_starts(tmp_path: Path) -> None:
    client = LauncherClient(tmp_path / "late", timeout=10)
    limits = asyncio.create_task(client.limits())
    await asyncio.sleep(0)
    launcher = Launcher(tmp_path / "late")
    launcher.answer(await launcher.request(), result=["v2", ""])
    assert await limits == ("v2", "")
    await client.close()
    launcher.disconnect()
    launcher.server.close()


async def test_a_client_that_is_to_stop_does_not_wait_for_a_launcher(tmp_path: Path) -> None:
    client = LauncherClient(tmp_path / "none", timeout=600)
    limits = asyncio.create_task(client.limits())
    await asyncio.sleep(0)
    client.stop_waiting()
    with pytest.raises(SandboxFault, match="no launcher"):
        await limits


async def test_when_the_launcher_ends_its_sandboxes_have_ended(
    client: LauncherClient, launcher: Launcher
) -> None:
    sandbox = await open_sandbox(client, launcher)
    waiting = asyncio.create_task(sandbox.wait())
    await launcher.request()
    launcher.disconnect()
    with pytest.raises(LauncherGone):
        await waiting
    limits = asyncio.create_task(client.limits())  # connects again
    launcher.answer(await launcher.request(), result=["v2", ""])
    assert await limits == ("v2", "")
    with pytest.raises(LauncherGone):  # no request about it is sent to the new launcher
        await sandbox.kill()
    await sandbox.close()
    assert await sandbox.usage() == ProcessUsage()
    close_pipes(sandbox.ends)


async def test_a_sandbox_whose_start_is_cancelled_is_closed(
    client: LauncherClient, launcher: Launcher
) -> None:
    starting = asyncio.create_task(client.start(ORDER))
    request = await launcher.request()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    before = descriptors()
    numbers, other = pipes()
    launcher.answer(request, numbers, result={"user": 1, "enforced": [], "cached": 0})
    for number in (*numbers, other):
        os.close(number)
    closing = await launcher.request()
    assert (closing["op"], closing["name"]) == ("close", "A")
    launcher.answer(closing, result={})
    await asyncio.sleep(0)
    assert descriptors() == before


async def test_descriptors_of_a_cancelled_request_are_closed(
    client: LauncherClient, launcher: Launcher
) -> None:
    limits = asyncio.create_task(client.limits())
    request = await launcher.request()
    limits.cancel()
    await asyncio.gather(limits, return_exceptions=True)
    before = descriptors()
    launcher.answer(request, [0, 1], result=[])
    sweep = asyncio.create_task(client.sweep(frozenset()))
    launcher.answer(await launcher.request(), result=[])
    await sweep
    assert descriptors() == before


async def test_a_request_that_is_too_large_for_a_packet_is_refused(
    client: LauncherClient, launcher: Launcher
) -> None:
    living = frozenset(f"{number:064}" for number in range(PACKET // 64))
    with pytest.raises(SandboxFault, match="cannot be sent"):
        await client.sweep(living)
    assert client._waiting == {}


async def test_a_cache_is_saved_and_dropped_where_it_is(
    client: LauncherClient, launcher: Launcher
) -> None:
    await client.drop_cache("RUN-1")  # there is none before there is a connection
    sandbox = await open_sandbox(client, launcher)
    saving = asyncio.create_task(sandbox.save_cache(1000))
    request = await launcher.request()
    assert (request["op"], request["name"], request["limit"]) == ("save_cache", "A", 1000)
    launcher.answer(request, result=700)
    assert await saving == 700
    dropping = asyncio.create_task(client.drop_cache("RUN-1"))
    request = await launcher.request()
    assert (request["op"], request["cache"]) == ("drop_cache", "RUN-1")
    launcher.answer(request, result=None)
    await dropping


async def test_a_sandbox_is_closed_only_once(client: LauncherClient, launcher: Launcher) -> None:
    sandbox = await open_sandbox(client, launcher)
    assert (sandbox.user, sandbox.enforced, sandbox.cached) == (31_000, frozenset({"cpu"}), 7)
    waits = [asyncio.create_task(sandbox.wait()) for _ in range(2)]
    request = await launcher.request()
    launcher.answer(request, result=[137, True])
    assert await asyncio.gather(*waits) == [ProcessExit(137, True)] * 2
    closing = asyncio.create_task(sandbox.close())
    request = await launcher.request()
    assert request["op"] == "close"  # the two waits were one request
    launcher.answer(request, result={"usage": [5, 6, 7, 0], "exit": [137, True]})
    await closing
    # no more requests about it: another sandbox may have the name now
    await sandbox.kill()
    await sandbox.terminate()
    await sandbox.close()
    assert await sandbox.usage() == ProcessUsage(5, 6, 7, 0)
    limits = asyncio.create_task(client.limits())
    assert (await launcher.request())["op"] == "limits"
    limits.cancel()
    close_pipes(sandbox.ends)


# --- reports


@pytest.fixture
async def reporting(tmp_path: Path, launcher: Launcher) -> AsyncIterator[LauncherClient]:
    """A client that reports all the time."""
    launcher_client = LauncherClient(tmp_path / "socket", timeout=0, report_seconds=0.001)
    yield launcher_client
    await launcher_client.close()


async def test_a_client_reports_that_it_runs_while_it_is_connected(
    reporting: LauncherClient, launcher: Launcher
) -> None:
    await reporting.connect()
    for _ in range(3):
        report = await launcher.packet()
        assert report["op"] == "report"
        launcher.answer(report, result=None)
    launcher.disconnect()
    while reporting.alive(1):
        await asyncio.sleep(0)
    limits = asyncio.create_task(reporting.limits())  # over another connection
    launcher.answer(await launcher.request(), result=["v2", ""])
    assert await limits == ("v2", "")
    assert (await launcher.packet())["op"] == "report"


async def test_reports_that_a_frozen_launcher_does_not_answer_are_noticed(
    reporting: LauncherClient, launcher: Launcher
) -> None:
    await reporting.connect()
    assert reporting.unanswered_seconds == 0
    reports = [await launcher.packet() for _ in range(3)]
    assert 0 < reporting.unanswered_seconds < 60
    for report in reports:
        launcher.answer(report, result=None)
    sweep = asyncio.create_task(reporting.sweep(frozenset()))
    while (request := await launcher.packet())["op"] == "report":
        launcher.answer(request, result=None)
    launcher.answer(request, result=[])
    await sweep  # its answer shows that those of the earlier reports were read
    await reporting.close()
    await asyncio.sleep(0)
    assert reporting.unanswered_seconds == 0


async def test_a_client_that_was_frozen_reads_why_its_connection_was_ended(
    client: LauncherClient, launcher: Launcher
) -> None:
    limits = asyncio.create_task(client.limits())
    await launcher.request()
    launcher.answer({"id": None}, error="no report for 9 s")
    launcher.disconnect()
    client._send(b"{}")  # before the event loop has seen the end
    with pytest.raises(LauncherGone, match="no report for 9 s"):
        await limits


async def test_the_reason_of_the_launcher_is_kept_when_it_ends_the_connection(
    client: LauncherClient, launcher: Launcher
) -> None:
    limits = asyncio.create_task(client.limits())
    await launcher.request()
    launcher.answer({"id": None}, error="no report for 9 s")
    launcher.disconnect()
    with pytest.raises(LauncherGone, match="no report for 9 s"):
        await limits
    assert not client.alive(1)
    limits = asyncio.create_task(client.limits())
    await launcher.request()
    launcher.disconnect()
    with pytest.raises(LauncherGone, match="the launcher has ended"):
        await limits
