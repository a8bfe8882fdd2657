"""Whether the registries of packages can be reached from this machine."""

from __future__ import annotations

import socket

import pytest

from fyke.app import registries
from fyke.app.registries import connection_problems
from fyke.sandbox.packages.registry_report import RegistryReport, RegistryUse
from fyke.settings import Settings

pytestmark = pytest.mark.anyio


def reported(*urls: str, note: str = "") -> list[RegistryReport]:
    uses = tuple(RegistryUse(url, "UV_INDEX", login=False) for url in urls)
    return [RegistryReport("Python", uses, note=note)]


async def test_a_registry_that_accepts_no_connection_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        good, bad = (f"http://127.0.0.1:{one.getsockname()[1]}/simple" for one in (server, unused))
        problems = await connection_problems(Settings(), reported(good, bad))
        assert problems == {bad: "no connection: Connection refused"}
        assert await connection_problems(Settings(), reported(bad, note="offline")) == {}
        monkeypatch.setattr(registries, "has_upstream", lambda _: True)
        assert await connection_problems(Settings(), reported(bad)) == {}


async def test_a_silent_registry_takes_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "CONNECT_SECONDS", 0.1)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address):  # the only place in its queue
            url = f"http://127.0.0.1:{address[1]}/simple"
            assert await connection_problems(Settings(), reported(url)) == {
                url: "no connection within 0.1 s"
            }
