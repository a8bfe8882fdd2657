"""Signals during outages: of the database, or of a listener killed by SIGKILL."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from fyke.contracts.signals import SignalReader
from fyke.storage.deadlines import Deadline
from fyke.storage.postgres import TimedConnection, open_connection
from fyke.storage.signals import postgres as module
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.signals.postgres import CHANNELS, PostgresSignals
from support.postgres import PostgresServer

pytestmark = pytest.mark.anyio

WORK = frozenset({"work"})

LISTENER = """
import asyncio, sys
from pathlib import Path
from fyke.storage.signals.datagram import DatagramSignals

async def main():
    async with DatagramSignals(Path(sys.argv[1])).listen() as listener:
        print("listening", flush=True)
        await listener.wait(frozenset({"never"}), 600)

asyncio.run(main())
"""


async def listening_backends(postgres: PostgresServer) -> int:
    with postgres.admin() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query = %s",
            (f"LISTEN {CHANNELS[SignalReader.SERVER]}",),
        ).fetchone()
    return int(str(row[0])) if row else 0


async def test_both_connections_are_opened_again_after_the_server_cut_them(
    postgres: PostgresServer, postgres_url: str
) -> None:
    signals = PostgresSignals(postgres_url)
    async with signals.listen() as listener:
        for _ in range(3):
            signals.notify("work")
            assert await listener.wait(WORK, 10) == "work"
            with postgres.admin() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
            while not await listening_backends(postgres):
                await asyncio.sleep(0.01)
    signals.close()


async def test_what_is_signalled_without_a_connection_is_noticed_after_it(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def fail_once(url: str, deadlines: Deadline) -> TimedConnection:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise psycopg.OperationalError("the server restarts")
        return open_connection(url, deadlines)

    signals, others = PostgresSignals(postgres_url), PostgresSignals(postgres_url)
    async with signals.listen() as listener:
        monkeypatch.setattr(module, "open_connection", fail_once)
        waiting = asyncio.create_task(listener.wait(WORK, 60))
        with postgres.admin() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        assert await waiting == "work"  # which was not signalled, as far as this process knows
        assert await listener.wait(WORK, 0) is None
        others.notify("work")
        assert await listener.wait(WORK, 10) == "work"
    assert tries >= 2
    signals.close()
    others.close()


async def test_notify_does_not_block_while_the_database_is_down(tmp_path: Path) -> None:
    signals = PostgresSignals(f"postgresql://nobody@/none?host={tmp_path}")
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(10_000):
        signals.notify(f"run:{number}")
    assert loop.time() - start < 2
    assert len(signals._outbox._queued) <= 4096
    signals.close()


async def test_the_socket_of_a_killed_listener_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert await asyncio.to_thread(child.stdout.readline) == "listening\n"
    (socket,) = folder.iterdir()
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    child.stdout.close()
    assert socket.exists()
    signals = DatagramSignals(folder)
    async with signals.listen() as listener:
        signals.notify("work")
        assert await listener.wait(WORK, 10) == "work"
    assert not socket.exists()
    signals.close()
    assert list(folder.iterdir()) == []
