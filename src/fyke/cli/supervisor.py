"""Keeping the roles of one machine running: start, restart what dies, drain, stop.

The listening socket is made here and handed down, so a server that is restarted keeps the port
and connections that arrive meanwhile wait instead of being refused.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fyke.cli.children import Child, Children
from fyke.cli.preload_client import MAX_PAUSE, STABLE_SECONDS, ForkFailed, PreloadClient
from fyke.cli.supervisor_log import SupervisorLog
from fyke.kit.backoff import delay

STOP_SECONDS = 10.0
IDLE_END_SECONDS = 2.0  # a runner that carries nothing has ended by then


@dataclass(slots=True)
class SupervisedRole:
    """One child process and how often it has failed in a row."""

    name: str
    descriptors: tuple[int, ...] = ()
    process: Child | None = None
    failures: int = 0
    keeper: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Has every role forked from one preload process and restarts any that ends by itself."""

    def __init__(self, listener: int, log_to: int, log_level: str) -> None:
        """Needs a running loop. Descriptors: the server gets ``listener``, and every role logs to
        ``log_to``.
        """
        self._log_to = log_to
        self._log = SupervisorLog(log_level)
        self._preload = PreloadClient(Children(), self._log)
        self._roles = [
            SupervisedRole("egress"),
            SupervisedRole("runner"),
            SupervisedRole("server", (listener,)),
        ]
        self.stopping = False
        self._preload.start()

    async def do(self, task: str, **details: Any) -> int:
        """Have a process do ``task`` once; return its exit status. Raises ``ForkFailed``."""
        process = await self._preload.fork(task, sys.stderr.fileno(), **details)
        try:
            return await process.wait()
        finally:
            process.send_signal(signal.SIGTERM)

    def start(self) -> None:
        """Start every role; each has a keeper that restarts it."""
        for role in self._roles:
            role.keeper = asyncio.create_task(self._keep(role))

    async def _keep(self, role: SupervisedRole) -> None:
        loop = asyncio.get_running_loop()
        while not self.stopping:
            began = loop.time()
            try:
                role.process = await self._preload.fork(role.name, self._log_to, *role.descriptors)
                code: int | str = await role.process.wait()
            except ForkFailed as error:
                code = str(error)
            role.process = None
            if self.stopping:
                return
            role.failures = 1 if loop.time() - began > STABLE_SECONDS else role.failures + 1
            pause = delay(role.failures, base=0.2, cap=MAX_PAUSE)
            self._log.error("role_ended", role=role.name, code=code, again_in=round(pause, 2))
            await asyncio.sleep(pause)

    async def drain(self, seconds: float, hurry: asyncio.Event, say: Callable[[str], None]) -> None:
        """End the roles in order. The runner may finish its attempts within ``seconds``, or
        until ``hurry`` is set; then it ends its attempts with a stated reason."""
        self.stopping = True
        await self._preload.stop()
        by_name = {role.name: role for role in self._roles}
        await self._end_runner(by_name["runner"], seconds, hurry, say)
        for name in ("server", "egress"):
            await self._end(by_name[name])
        for role in self._roles:
            if role.keeper is not None:
                role.keeper.cancel()
        await asyncio.gather(*(r.keeper for r in self._roles if r.keeper), return_exceptions=True)

    async def _end_runner(
        self, role: SupervisedRole, seconds: float, hurry: asyncio.Event, say: Callable[[str], None]
    ) -> None:
        if role.process is None:
            return
        process = role.process
        process.send_signal(signal.SIGTERM)
        ended = asyncio.create_task(process.wait())
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait({ended}, timeout=IDLE_END_SECONDS)
        if not ended.done():
            say(f"Waiting up to {seconds:g} s for running Workers; Ctrl-C again stops them now.")
            await asyncio.wait(
                {ended, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        hurried.cancel()
        await self._end(role)

    async def _end(self, role: SupervisedRole) -> None:
        """SIGTERM, some seconds, SIGKILL."""
        process = role.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._log.error("role_killed", role=role.name)
            process.kill()
            await process.wait()
