"""The peculiarities of datagram sockets: files, dead listeners, long paths, full queues."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from fyke.storage.signals.datagram import DatagramSignals

pytestmark = pytest.mark.anyio

WORK = frozenset({"work"})


def sockets(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_the_folder_is_private_and_a_socket_is_removed_with_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    signals = DatagramSignals(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    async with signals.listen(), signals.listen():
        assert len(sockets(folder)) == 1
    signals.close()
    assert sockets(folder) == []


async def test_a_dead_listener_is_removed_and_others_get_signals(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(tmp_path / "1-dead.all.socket"))
    dead.close()
    signals = DatagramSignals(tmp_path)
    async with signals.listen() as listener:
        signals.notify("work")
        assert await listener.wait(WORK, 10) == "work"
    assert "1-dead.all.socket" not in sockets(tmp_path)
    signals.close()


async def test_a_very_long_path_works(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100) / "run"
    one, two = DatagramSignals(folder), DatagramSignals(folder)
    async with one.listen() as listener:
        two.notify("work")
        assert await listener.wait(WORK, 10) == "work"
    one.close()
    two.close()
    assert sockets(folder) == []


async def test_a_stuck_listener_delays_no_other_and_loses_no_signal(tmp_path: Path) -> None:
    stuck = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    stuck.bind(str(tmp_path / "0-stuck.server.socket"))
    signals = DatagramSignals(tmp_path)
    topics = [f"run:{n}" for n in range(200)]
    async with signals.listen() as listener:
        for topic in topics * 3:
            signals.notify(topic)
        heard: set[str | None] = set()
        while missing := frozenset(topics) - heard:
            heard.add(await listener.wait(missing, 10))
            assert None not in heard, f"{len(missing)} were never heard"
    stuck.settimeout(10)
    received = set()
    while len(received) < len(topics):
        received.add((await asyncio.to_thread(stuck.recv, 1024)).decode())
    assert received == set(topics)
    signals.close()
    stuck.close()


async def test_other_files_in_the_folder_are_kept(tmp_path: Path) -> None:
    (tmp_path / "egress.sock").write_text("not ours")
    signals = DatagramSignals(tmp_path)
    signals.notify("work")
    assert (tmp_path / "egress.sock").read_text() == "not ours"
    signals.close()


async def test_notify_works_without_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    signals = DatagramSignals(folder)
    folder.rmdir()
    signals.notify("work")
    assert not folder.exists()
    signals.close()
