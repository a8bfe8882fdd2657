"""The gateway of ``fleet.py``: the role's own code in a process of its own, which tells its lag."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog
import uvloop
from common import cpu_seconds, percentile

from fyke.app.gateway import listening
from fyke.app.runtime import open_runtime
from fyke.contracts.signals import SignalReader
from fyke.settings import Settings

TICK = 0.01  # seconds between two looks at the lag of the event loop


def settings_of(home: Path, url: str) -> Settings:
    """Those of an installation with this database, whose gateway takes any free port."""
    found = Settings(home=home, database_url=url, durability="disk")
    return found.model_copy(update={"gateway_port": 0})


class Lags:
    """How much too late the event loop calls, in ms, since it was last asked."""

    def __init__(self) -> None:
        self._found: list[float] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self._found.append((loop.time() - due) * 1000)

    def take(self) -> tuple[float, float]:
        """Median and p99."""
        found, self._found = self._found or [0.0], []
        return percentile(found, 0.5), percentile(found, 0.99)


async def _serve(pipe: Connection, home: Path, url: str) -> None:
    settings = settings_of(home, url)
    lags = Lags()
    async with (
        open_runtime(settings, reader=SignalReader.RUNNER) as runtime,
        listening(runtime) as address,
    ):
        pipe.send(address)
        looking = asyncio.create_task(lags.run())
        with contextlib.suppress(EOFError, OSError):
            while await asyncio.to_thread(pipe.recv):
                pipe.send(lags.take())
        looking.cancel()


def quiet() -> None:
    """Log warnings only: that each node connects is no figure."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def _main(pipe: Connection, home: Path, url: str) -> None:
    quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the bench ends it
    uvloop.run(_serve(pipe, home, url))


class GatewayProcess:
    """One gateway."""

    def __init__(self, process: Any, pipe: Connection) -> None:
        self._pipe = pipe
        self.pid: int = process.pid
        self.address: tuple[str, int] = pipe.recv()

    def lags(self) -> tuple[float, float]:
        """Median and p99 of the lag since the last call, in ms."""
        self._pipe.send(True)
        found: tuple[float, float] = self._pipe.recv()
        return found

    def cpu(self) -> float:
        """Seconds."""
        return cpu_seconds(self.pid)


@contextmanager
def gateway(home: Path, url: str) -> Iterator[GatewayProcess]:
    """A gateway over this database while the context is open."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, home, url), daemon=True)
    process.start()
    theirs.close()
    try:
        yield GatewayProcess(process, ours)
    finally:
        ours.close()
        until = time.monotonic() + 10
        while process.is_alive() and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.join()
