"""Who is cut off from PostgreSQL. The servers of these tests are sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.app import cut_off
from fyke.app.cut_off import CutOff
from fyke.contracts.liveness import StoreState

pytestmark = pytest.mark.anyio
ANSWERED, FAILED, PENDING = StoreState.ANSWERED, StoreState.FAILED, StoreState.PENDING


def url(port: int) -> str:
    return f"postgresql://fyke@127.0.0.1:{port}/fyke"


@pytest.fixture
def silent() -> Iterator[str]:
    """A database that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield url(server.getsockname()[1])


@pytest.fixture
def down() -> Iterator[str]:
    """A database whose machine refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield url(bound.getsockname()[1])


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new connection is not answered; without its real deadline of two seconds."""
    monkeypatch.setattr(cut_off, "_select", lambda url: False)


@pytest.mark.parametrize(
    ("peer", "servers", "expected"),
    [
        (ANSWERED, 1, True),
        (ANSWERED, 2, True),
        (FAILED, 1, False),
        (PENDING, 1, False),
        (FAILED, 2, True),
        (None, 1, True),
        (None, 0, True),
    ],
)
@pytest.mark.usefixtures("no_answer")
async def test_with_a_silent_database_the_state_of_others_decides(
    silent: str, peer: StoreState | None, servers: int, expected: bool
) -> None:
    assert await CutOff(silent, lambda: peer).is_cut_off(servers) is expected


@pytest.mark.parametrize(
    ("peer", "servers", "expected"),
    [(ANSWERED, 1, True), (FAILED, 1, False), (FAILED, 3, False), (None, 1, False)],
)
async def test_a_database_that_is_down_is_down_for_all(
    down: str, peer: StoreState | None, servers: int, expected: bool
) -> None:
    cut_off = CutOff(down, lambda: peer, next_report_seconds=0)
    assert await cut_off.is_cut_off(servers) is expected


@pytest.mark.parametrize("after", [FAILED, PENDING, None])
async def test_a_report_from_before_the_database_went_down_does_not_decide(
    down: str, tmp_path: Path, after: StoreState | None
) -> None:
    for address in (down, f"postgresql:///fyke?host={tmp_path}"):
        reports = iter([ANSWERED, after])
        cut_off = CutOff(address, reports.__next__, next_report_seconds=0)
        assert await cut_off.is_cut_off(2) is False


async def test_a_database_that_answers_a_new_connection_is_reached(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cut_off, "_select", lambda url: url == silent)
    assert await CutOff(silent, lambda: ANSWERED).is_cut_off(2) is False


@pytest.mark.slow
async def test_a_silent_database_does_not_answer_a_new_connection(silent: str) -> None:
    assert await CutOff(silent, lambda: FAILED).is_cut_off(1) is False
    assert await CutOff(silent, lambda: ANSWERED).is_cut_off(1) is True


async def test_both_questions_to_a_silent_database_take_the_time_of_one(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, together = threading.Event(), []

    async def refused(*_arguments: Any) -> Any:
        asked.set()
        raise ConnectionRefusedError

    def select(_url: str) -> bool:
        together.append(asked.wait(2))
        return False

    monkeypatch.setattr(asyncio, "open_connection", refused)
    monkeypatch.setattr(cut_off, "_select", select)
    assert await CutOff(silent, lambda: None).is_cut_off(2) is False
    assert together == [True]


async def test_a_file_is_reached_by_all_processes() -> None:
    assert await CutOff("", lambda: ANSWERED).is_cut_off(2) is False


@pytest.mark.usefixtures("no_answer")
@pytest.mark.parametrize(
    "address", ["postgresql:///fyke", "postgresql:///fyke?host=/run/postgresql"]
)
async def test_a_socket_is_local(address: str) -> None:
    assert await CutOff(address, lambda: None).is_cut_off(0) is False


def several(*urls: str, form: str = "list") -> str:
    """One address with the ports of all."""
    ports = [made.rpartition(":")[2].partition("/")[0] for made in urls]
    if form == "list":
        hosts = ",".join("127.0.0.1" for _ in ports)
        return f"postgresql://fyke@/fyke?host={hosts}&port={','.join(ports)}"
    pairs = "&".join(f"host=127.0.0.1:{port}" for port in ports)
    return f"postgresql://fyke@/fyke?{pairs}"


@pytest.mark.parametrize("form", ["list", "pairs"])
async def test_several_hosts_are_down_when_each_refuses(
    down: str, tmp_path: Path, form: str
) -> None:
    assert await CutOff(several(down, down, form=form), lambda: FAILED).is_cut_off(2) is False
    folders = f"postgresql:///fyke?host={tmp_path},{tmp_path}"
    assert await CutOff(folders, lambda: FAILED).is_cut_off(2) is False


@pytest.mark.usefixtures("no_answer")
async def test_a_host_of_several_that_is_silent_may_serve_others(down: str, silent: str) -> None:
    assert await CutOff(several(down, silent), lambda: FAILED).is_cut_off(2) is True


async def test_a_standby_beside_a_primary_that_is_down_is_no_primary(
    down: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = several(silent).rpartition("=")[2]
    asked: list[str] = []

    def select(url: str) -> bool:
        asked.append(url)
        return "target_session_attrs=standby" in url and f"port={port}" in url

    monkeypatch.setattr(cut_off, "_select", select)
    assert await CutOff(several(down, silent), lambda: FAILED).is_cut_off(2) is False
    assert len(asked) == 2
