"""The gateway role over a real state and a port of loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.app import gateway
from fyke.app.gateway import listening, own_host, serve_gateway
from fyke.app.heartbeat import Heartbeat
from fyke.app.server import gateway_address
from fyke.domain.nodes.authority import NodeAuthority
from fyke.domain.nodes.settings_versions import sealed
from fyke.domain.nodes.tokens import NodeTokens, TokenRequest
from fyke.errors import Forbidden, Refused, Unavailable
from fyke.kit.clock import SystemClock
from fyke.kit.hostports import join_host_port
from fyke.kit.sealing import Sealer
from fyke.link.files import RemoteFiles
from fyke.link.gateway import RemoteGateway
from fyke.link.join import JoinedInstallation, join
from fyke.link.node_link import NodeLink
from fyke.link.notices import NodeNotices
from fyke.model.node import EgressPolicy, NodeState, Registered
from fyke.model.settings_version import SettingsVersion
from fyke.settings import Settings
from fyke.timers.gateway import LOOK_SECONDS, GatewayTimer
from support.app import SECRET, App, open_app
from support.remote_nodes import SIZE

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        yield app


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    (tmp_path / "secret.key").write_text(SECRET.hex())
    return Settings(home=tmp_path).model_copy(update={"gateway_port": 0})


class NotedSignals:
    """Notes when the signals of the application are waited for."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.is_waited_for = asyncio.Event()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[NotedSignals]:
        async with self._app.signals.listen() as self._listener:
            yield self

    async def wait(self, topics: frozenset[str], seconds: float) -> str | None:
        self.is_waited_for.set()
        return await self._listener.wait(topics, seconds)


async def joined(app: App, address: tuple[str, int]) -> JoinedInstallation:
    tokens = NodeTokens(app.storage, NodeAuthority(app.storage, Sealer(SECRET), SystemClock()))
    token = await tokens.create(replace(app.owner, local=True), TokenRequest())
    return await join(address, token.text, "n1", "eu", {})


async def test_a_machine_joins_with_a_token_of_the_server(app: App, settings: Settings) -> None:
    async with listening(app.runtime(settings)) as address:
        found = await joined(app, address)
    assert (found.answer.name, found.answer.pool) == ("n1", "eu")
    node = await app.storage.read(lambda tx: tx.nodes.get("n1"))
    assert node is not None and node.pool == "eu"


async def test_a_node_that_connects_is_served_as_the_runner_of_its_name(
    app: App, settings: Settings
) -> None:
    async with listening(app.runtime(settings)) as address:
        found = await joined(app, address)
        notices = NodeNotices()
        link = NodeLink(
            [address], found.authority, found.own, release="0.2.0", runner_id="R1",
            on_notice=notices.receive, on_certificate=lambda _: None,
        )  # fmt: skip
        running = asyncio.create_task(link.run())
        await link.connected.wait()
        remote = RemoteGateway(link, notices, RemoteFiles(link), SystemClock())
        registered = await remote.register(SIZE)
        assert registered == Registered(NodeState.READY, settings.lease_seconds)
        [runner] = await app.storage.read(lambda tx: tx.runs.runners(0))
        assert (runner.id, runner.node, runner.place) == ("R1", "n1", "node/n1")
        values = {"egress_upstreams": {"US": "http://u:p@a:1"}, "site_guard": False}
        values["gateway_addresses"] = ["10.0.0.2", "10.0.0.3:9110"]
        config, secret = sealed(values, ("egress_upstreams",), Sealer(SECRET))
        version = SettingsVersion(1, config, secret, (), "", "", 1)
        await app.storage.write(lambda tx: tx.settings.add(version))
        policy = EgressPolicy(upstreams={"US": "http://u:p@a:1"}, site_guard=False)
        changed = await remote.register(SIZE)
        gateways = ("10.0.0.2", "10.0.0.3:9110")
        news = {"settings_version": 1, "egress": policy, "gateways": gateways}
        assert changed == replace(registered, **news)
        has = await remote.register(replace(SIZE, settings_version=1))
        assert has == replace(registered, settings_version=1)
        running.cancel()
        reached_at = join_host_port(*address)
    node = await app.storage.read(lambda tx: tx.nodes.get("n1"))
    assert node is not None and (node.release, node.gateway_id) == ("0.2.0", reached_at)


OWN = {  # the address of this machine, by the host that it connects with
    ("127.0.0.1", 5433): "127.0.0.1",
    ("127.0.0.1", 5432): "127.0.0.1",
    ("db.example", 5432): "10.1.0.5",
    ("db.example", 6432): "10.1.0.6",
    ("192.0.2.1", 5432): "10.0.0.5",
}


@pytest.mark.parametrize(
    ("host", "database", "expected"),
    [
        ("192.0.2.2", "postgresql://db.example/fyke", "192.0.2.2"),
        ("0.0.0.0", "postgresql://fyke:secret@db.example:6432/fyke", "10.1.0.6"),
        ("0.0.0.0", "postgresql://fyke:a]b[c@db.example/fyke", "10.1.0.5"),
        ("0.0.0.0", "postgresql://fyke:a#b?c@db.example/fyke", "10.1.0.5"),
        ("0.0.0.0", "postgresql:///fyke?host=db.example,other.example", "10.1.0.5"),
        ("0.0.0.0", "postgresql:///fyke?host=db.example&host=other.example", "10.1.0.5"),
        ("0.0.0.0", "postgresql://fyke:secret@127.0.0.1:5433/fyke", "10.0.0.5"),
        ("0.0.0.0", "postgresql:///fyke?host=/run/postgresql", "10.0.0.5"),
        ("0.0.0.0", "postgresql://db.example:none/fyke", "10.0.0.5"),
    ],
)
def test_the_address_for_other_servers_is_the_one_towards_the_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, host: str, database: str, expected: str
) -> None:
    def found(host: str, port: int) -> str:
        if (host, port) not in OWN:
            raise OSError("no such host")
        return OWN[host, port]

    monkeypatch.setattr(gateway, "_source_address", found)
    given = {"gateway_host": host, "database_url": database}
    assert own_host(settings.model_copy(update=given)) == expected


def test_a_machine_without_a_network_has_the_address_of_itself(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_ANYWHERE", "127.0.0.2")
    given = {"gateway_host": "0.0.0.0", "database_url": "postgresql://127.0.0.1/fyke"}
    assert own_host(settings.model_copy(update=given)) == "127.0.0.1"


async def test_a_gateway_that_stops_leaves_its_port(app: App, settings: Settings) -> None:
    async with listening(app.runtime(settings)) as (_, port):
        again = settings.model_copy(update={"gateway_port": port})
        text = f"cannot listen on 127.0.0.1, port {port}: .*; set gateway_host or gateway_port"
        with pytest.raises(Unavailable, match=text):
            async with listening(app.runtime(again)):
                pass
    async with listening(app.runtime(again)) as (_, second):
        assert second == port


async def test_the_role_serves_until_sigterm(
    tmp_path: Path, postgres_state_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def noted(*arguments: Any) -> AsyncIterator[tuple[str, int]]:
        async with listening(*arguments) as address:
            listens.set_result(address)
            yield address

    monkeypatch.setattr(gateway, "listening", noted)
    (tmp_path / "secret.key").write_text(SECRET.hex())
    settings = Settings(home=tmp_path, database_url=postgres_state_url)
    settings = settings.model_copy(update={"gateway_port": 0})
    serving = asyncio.create_task(serve_gateway(settings, Heartbeat("gateway", None)))
    await asyncio.wait({serving, listens}, return_when=asyncio.FIRST_COMPLETED)
    address, token = listens.result(), f"fyken_{'a' * 43}.{'b' * 43}"
    with pytest.raises(Forbidden):  # a token of another installation
        await join(address, token, "n1", "", {})
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    with pytest.raises(Unavailable, match="No connection"):
        await join(address, token, "n1", "", {})


async def test_a_server_learns_at_once_that_a_token_was_made(app: App) -> None:
    needed, signals = asyncio.Event(), NotedSignals(app)
    timer = GatewayTimer(app.storage, signals, needed.set)  # type: ignore[arg-type]
    looking = asyncio.create_task(timer.tick())
    await signals.is_waited_for.wait()
    assert not needed.is_set()
    await app.services.node_tokens.create(replace(app.owner, local=True), TokenRequest())
    await asyncio.wait_for(needed.wait(), LOOK_SECONDS / 2)
    looking.cancel()


async def test_with_sqlite_there_is_no_gateway(settings: Settings) -> None:
    with pytest.raises(Refused, match="set database_url"):
        await serve_gateway(settings, Heartbeat("gateway", None))


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, "127.0.0.1:8110"),
        ({"gateway_host": "::1", "gateway_port": 9000}, "[::1]:9000"),
        ({"gateway_host": "0.0.0.0"}, f"{socket.gethostname()}:8110"),
        ({"gateway_host": "::", "public_url": "https://fyke.example/x"}, "fyke.example:8110"),
        ({"database_url": ""}, ""),
    ],
)
def test_the_address_for_machines_that_join(
    tmp_path: Path, members: dict[str, object], expected: str
) -> None:
    values = {"home": tmp_path, "database_url": "postgresql://fyke@127.0.0.1/fyke", **members}
    assert gateway_address(Settings(**values)) == expected
