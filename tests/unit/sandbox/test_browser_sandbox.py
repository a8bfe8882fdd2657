"""The sandbox of a browser from the runner's side; the contract suite has real ones."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field

import pytest

from fyke.contracts.browser import BrowserLimits, BrowserUsage
from fyke.contracts.execution import SandboxFault
from fyke.sandbox.browser_sandbox import LAST_WORDS, BrowserSandbox, order_of
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import ProcessExit, ProcessPipes, ProcessUsage

pytestmark = pytest.mark.anyio


@dataclass
class Spawned:
    """A sandbox whose pipes the test writes to."""

    user: int = 30_000
    enforced: frozenset[str] = frozenset()
    cached: int = 70_000
    fault: str = ""
    closed: int = 0
    pipes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        (out, self.out), (err, self.err) = os.pipe(), os.pipe()
        self.ends = ProcessPipes(ours, [socket.socket()], out, err)

    async def wait(self) -> ProcessExit:
        return ProcessExit(137, True)

    async def usage(self) -> ProcessUsage:
        if self.fault:
            raise SandboxStartFailed(self.fault)
        return ProcessUsage(1, 2, 3, 4, 5)

    async def save_cache(self, limit: int) -> int:
        if self.fault:
            raise SandboxStartFailed(self.fault)
        return limit // 2

    async def close(self) -> None:
        self.closed += 1
        if self.fault:
            raise SandboxStartFailed(self.fault)


@pytest.fixture
async def spawned() -> Spawned:
    return Spawned()


async def test_figures_and_end_are_those_of_the_contract(spawned: Spawned) -> None:
    sandbox = BrowserSandbox(spawned)  # type: ignore[arg-type]
    expected = BrowserUsage(cpu_ms=1, memory=4, memory_peak=2, ooms=5, tmp_bytes=3)
    assert await sandbox.usage() == expected
    ended = await sandbox.wait()
    assert (ended.code, ended.signal, ended.out_of_memory) == (137, 9, True)
    assert (sandbox.cached, await sandbox.save_cache(100)) == (70_000, 50)
    spawned.fault = "the launcher has gone"
    for step in (sandbox.usage(), sandbox.save_cache(100)):
        with pytest.raises(SandboxFault, match="launcher has gone"):
            await step
    await asyncio.gather(sandbox.close(), return_exceptions=True)


async def test_a_sandbox_lives_until_its_first_process_ends(spawned: Spawned) -> None:
    sandbox = BrowserSandbox(spawned)  # type: ignore[arg-type]
    spawned.theirs.send(b"sockets")  # which nobody reads yet
    assert sandbox.is_alive
    spawned.theirs.close()
    assert not sandbox.is_alive
    await sandbox.close()


async def test_the_end_of_the_output_is_kept_without_noise(spawned: Spawned) -> None:
    sandbox = BrowserSandbox(spawned)  # type: ignore[arg-type]
    os.write(spawned.out, b"x" * LAST_WORDS)
    os.write(
        spawned.err,
        b"[1129/0:ERROR:dbus/bus.cc:405] Failed to connect to the bus: no such file\n"
        b"[3:9:1129/0:WARNING:media/gpu/vaapi/vaapi_wrapper.cc:1655] no devices\n"
        b"[1129/0:FATAL:zygote_host_impl_linux.cc:127] No usable sandbox!\n",
    )
    while "No usable" not in sandbox.last_words:
        await asyncio.sleep(0)
    assert sandbox.last_words.endswith("No usable sandbox!\n")
    assert "dbus" not in sandbox.last_words
    assert "vaapi" not in sandbox.last_words
    assert len(sandbox.last_words) <= LAST_WORDS
    os.write(spawned.err, b"the very last\n")
    os.close(spawned.out)
    await sandbox.close()
    assert sandbox.last_words.endswith("the very last\n")
    os.close(spawned.err)


async def test_descriptors_are_closed_even_when_the_sandbox_cannot_be_removed(
    spawned: Spawned,
) -> None:
    sandbox = BrowserSandbox(spawned)  # type: ignore[arg-type]
    spawned.fault = "processes do not leave"
    with pytest.raises(SandboxFault, match="do not leave"):
        await sandbox.close()
    assert (sandbox.control.fileno(), sandbox.proxy.fileno()) == (-1, -1)
    for descriptor in (spawned.ends.stdout, spawned.ends.stderr):
        with pytest.raises(OSError):
            os.fstat(descriptor)
    spawned.fault = ""
    await sandbox.close()
    assert spawned.closed == 2


def test_an_order_has_the_limits_of_the_browser() -> None:
    limits = BrowserLimits(1.5, 2**30, processes=900, open_files=4000, tmp_size=2**28)
    order = order_of("A-B1", limits, own_sandbox=True, cache="RUN-1")
    assert order.cache == "RUN-1"
    assert (order.kind, order.bundle, order.environment) == ("browser", None, None)
    assert (order.cpus, order.memory, order.processes) == (1.5, 2**30, 900)
    assert (order.open_files, order.tmp_size, order.own_sandbox) == (4000, 2**28, True)
    with pytest.raises(SandboxFault, match="1 to 64 characters"):
        order_of("a", limits, own_sandbox=True)
