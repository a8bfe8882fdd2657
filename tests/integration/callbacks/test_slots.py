"""Very many hanging receivers, and a healthy one."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from fyke.domain.callbacks.slots import AT_ONCE
from fyke.kit.clock import SystemClock
from fyke.notify.http import HttpNotifier
from support.callback_trials import CountingNotifier, LocalSignals, delivering, open_callback_sender

pytestmark = pytest.mark.anyio
HANG = 600.0  # seconds until a call times out: longer than the whole test


@dataclass
class Receivers:
    """Receivers at one port of many loopback addresses; only ``/healthy`` is answered."""

    port: int = 0
    served: set[str] = field(default_factory=set)  # paths
    hanging: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, number: int, path: str) -> str:
        return f"http://127.1.{number // 250}.{number % 250 + 1}:{self.port}{path}"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if path.startswith("/healthy"):
            self.served.add(path)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        else:
            self.hanging += 1
            await self.over.wait()
        writer.close()


@asynccontextmanager
async def receivers() -> AsyncIterator[Receivers]:
    started = Receivers()
    server = await asyncio.start_server(started.take, "0.0.0.0", 0, backlog=1000)
    started.port = server.sockets[0].getsockname()[1]
    try:
        yield started
    finally:
        started.over.set()
        server.close()


async def trial(url: str, http: HttpNotifier, *, hanging: int, healthy: int, at_once: int) -> None:
    """Times out if a healthy call waits for a slot that a hanging call occupies."""
    signals, notifier = LocalSignals(), CountingNotifier(http)
    async with receivers() as there, open_callback_sender(url, signals.notify) as sender:
        # two calls for each host, the maximum
        stuck = await sender.runs([there.url(n, "/hangs") for n in range(hanging)] * 2)
        good = await sender.runs([there.url(hanging, f"/healthy-{n}") for n in range(healthy)])
        async with delivering(sender.storage, notifier, signals, SystemClock(), at_once):
            await sender.end(*stuck)
            async with asyncio.timeout(60):
                while there.hanging < 2 * hanging:
                    await asyncio.sleep(0.02)
            await sender.end(*good)
            async with asyncio.timeout(60):
                while len(there.served) < healthy:
                    await asyncio.sleep(0.02)
        assert there.hanging == 2 * hanging, "a hanging call was given up and repeated"


@pytest.fixture(autouse=True)
def long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.notify.http.TOTAL_SECONDS", HANG)


async def test_sixty_hanging_receivers_do_not_delay_others(
    sqlite_url: str, http: HttpNotifier
) -> None:
    await trial(sqlite_url, http, hanging=60, healthy=8, at_once=140)


@pytest.mark.long
async def test_a_thousand_hanging_receivers_do_not_delay_others(
    sqlite_url: str, http: HttpNotifier
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # both ends are in this process
    await trial(sqlite_url, http, hanging=1000, healthy=100, at_once=AT_ONCE)
