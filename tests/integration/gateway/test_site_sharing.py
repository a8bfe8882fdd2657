"""Two nodes with an egress process each share the sites of an installation, over a real gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.egress import EgressGrant
from fyke.domain.nodes import site_sharing as exchange
from fyke.domain.nodes.service import NodeService, NodeStores, RunnerName
from fyke.domain.nodes.site_sharing import SiteExchange
from fyke.egress.client import EgressClient
from fyke.egress.throttle import ThrottleRules
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer
from fyke.link.gateway import RemoteGateway
from fyke.model.node_registry import Node
from fyke.model.sites import SiteShares, SiteUse
from fyke.runner import site_sharing
from fyke.runner.site_sharing import SiteSharing
from support.app import App, open_app
from support.egress import (
    SECRET,
    Origin,
    client_and_process,
    listener,
    port_of,
    socks,
    until,
)
from support.remote_nodes import SIZE, RemoteNode, open_remote

pytestmark = pytest.mark.anyio

RATE = 5.0
OF_RATE = ThrottleRules(rate=RATE, max_wait=2.0)
OF_PAUSE = ThrottleRules(first_pause=20.0, max_wait=0.5)


@dataclass
class Machine:
    """A node, its egress process, and what that was told."""

    name: str
    gateway: RemoteGateway
    egress: EgressClient
    told: list[SiteShares] = field(default_factory=list)
    port: int = 0  # of the proxy
    sharing: SiteSharing = field(init=False)

    def __post_init__(self) -> None:
        self.sharing = SiteSharing(self.gateway, self._apply)
        self.egress.on_pause = self.sharing.hurry

    async def _apply(self, shares: SiteShares) -> SiteUse:
        use = await self.egress.share_sites(shares)
        self.told.append(shares)
        return use

    async def open(self) -> None:
        sock = listener()
        allow = ("127.0.0.0/8",)
        await self.egress.open([sock], EgressGrant(self.name, SECRET, "", allow, session="run"))
        self.port = port_of(sock)

    async def register(self) -> None:
        self.sharing.registered((await self.gateway.register(SIZE)).machines)

    async def connect(self, port: int) -> bool:
        """Whether a connection through the proxy was started; it ends at once."""
        code, _, writer = await socks(self.port, "127.0.0.1", port, self.name)
        writer.close()
        return code == 0


def stores_of(app: App) -> NodeStores:
    nothing: Any = None
    sealer, clock = Sealer(b"master"), SystemClock()
    sites = SiteExchange(app.storage)
    return NodeStores(
        app.storage, app.results, app.blobs, app.signals, nothing, sealer, clock, 15.0, sites
    )


@asynccontextmanager
async def two_machines(
    tmp_path: Path, templates: Path, throttle: ThrottleRules
) -> AsyncIterator[tuple[Machine, Machine]]:
    """Both know of each other. They are served by two processes of the installation."""
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_app(tmp_path, templates))
        stores = {name: stores_of(app) for name in ("n1", "n2")}

        def serve(node: Node) -> NodeService:
            name = RunnerName(node.runner_id, node.name, f"node/{node.name}")
            return NodeService(name, stores[node.name], joined=True)

        place: RemoteNode = await stack.enter_async_context(
            open_remote(app, tmp_path / "b", serve=serve)
        )
        machines = list[Machine]()
        for name in ("n1", "n2"):
            joined = place.joined if name == "n1" else await place.join(name)
            remote, link = place.connect(f"R-{name}", joined=joined)
            await link.connected.wait()
            egress, _ = await stack.enter_async_context(
                client_and_process(tmp_path / name, ["127.0.0.0/8"], throttle)
            )
            machine = Machine(name, remote, egress)
            await machine.open()
            await machine.register()
            machines.append(machine)
        await machines[0].register()
        running = [asyncio.create_task(one.sharing.run(lambda: True)) for one in machines]
        try:
            await until(lambda: all(one.told and one.told[-1].machines == 2 for one in machines))
            yield machines[0], machines[1]
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def tired(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 429 Slow\r\n\r\n")


async def test_a_site_sees_the_rate_of_one_machine_from_two(
    tmp_path: Path, templates: Path
) -> None:
    async with (
        two_machines(tmp_path, templates, OF_RATE) as (one, two),
        Origin(hold) as origin,
    ):
        begun = time.monotonic()
        tries = [machine.connect(origin.port) for machine in (one, two) for _ in range(60)]
        started = await asyncio.gather(*tries)
        seconds = time.monotonic() - begun
        # both knew of each other, so nothing is added to the rate and the burst of four seconds
        assert origin.accepted <= RATE * (seconds + 4) + 2
        for machine in (started[:60], started[60:]):
            assert sum(machine) >= RATE * 4 / 2  # the burst of each
        assert not all(started)


async def test_a_machine_that_alone_uses_a_site_gets_all_of_it_and_shares_it_again(
    tmp_path: Path, templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_sharing, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(site_sharing, "HURRY_SECONDS", 0.01)
    monkeypatch.setattr(site_sharing, "RAISE_SECONDS", 0.5)
    monkeypatch.setattr(exchange, "AGE_SECONDS", 0.05)
    async with (
        two_machines(tmp_path, templates, OF_RATE) as (one, two),
        Origin(hold) as origin,
    ):
        assert await one.connect(origin.port)
        await until(lambda: one.told[-1].sharers == {"127.0.0.1": 1})
        assert await two.connect(origin.port)
        await until(lambda: one.told[-1].sharers == two.told[-1].sharers == {"127.0.0.1": 2})


async def test_a_429_on_one_machine_stops_the_other(tmp_path: Path, templates: Path) -> None:
    async with (
        two_machines(tmp_path, templates, OF_PAUSE) as (one, two),
        Origin(tired) as origin,
    ):
        code, reader, writer = await socks(one.port, "127.0.0.1", origin.port, one.name)
        assert code == 0
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 429")
        writer.close()
        await until(lambda: any(pause.site == "127.0.0.1" for pause in two.told[-1].pauses))
        assert not await two.connect(origin.port)
        assert not await one.connect(origin.port)
        assert origin.accepted == 1
        assert not any(shares.pauses for shares in one.told)  # it is not told of its own
