"""Keeping the roles of one machine running: start, restart what dies, drain, stop.

The listening socket is made here and handed down, so a server that is restarted keeps the port
and connections that arrive meanwhile wait instead of being refused.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

import structlog

from fyke.kit.backoff import delay

log = structlog.get_logger()

STABLE_SECONDS = 10.0
MAX_PAUSE = 5.0
STOP_SECONDS = 10.0
IDLE_END_SECONDS = 2.0  # a runner that carries nothing has ended by then


@dataclass(slots=True)
class SupervisedRole:
    """One child process and how often it has failed in a row."""

    name: str
    arguments: tuple[str, ...] = ()
    pass_fds: tuple[int, ...] = ()
    process: Process | None = None
    failures: int = 0
    keeper: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Starts ``fyke serve --role NAME`` for every role and restarts any that ends by itself."""

    def __init__(
        self, environment: Mapping[str, str], listener: socket.socket, log_to: IO[bytes] | None
    ) -> None:
        """``log_to`` takes what the roles log; None leaves it on our own standard error."""
        self._environment = dict(environment)
        self._log_to = log_to
        self._roles = [
            SupervisedRole("egress"),
            SupervisedRole("runner"),
            SupervisedRole("server", ("--fd", str(listener.fileno())), (listener.fileno(),)),
        ]
        self._stopping = False

    def start(self) -> None:
        """Start every role; each has a keeper that restarts it."""
        for role in self._roles:
            role.keeper = asyncio.create_task(self._keep(role))

    def processes(self) -> dict[str, int]:
        """Names and process ids of the roles that run now."""
        return {r.name: r.process.pid for r in self._roles if r.process is not None}

    async def _keep(self, role: SupervisedRole) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began = loop.time()
            role.process = await self._spawn(role)
            code = await role.process.wait()
            role.process = None
            if self._stopping:
                return
            role.failures = 1 if loop.time() - began > STABLE_SECONDS else role.failures + 1
            pause = delay(role.failures, base=0.2, cap=MAX_PAUSE)
            log.error("role_ended", role=role.name, code=code, again_in=round(pause, 2))
            await asyncio.sleep(pause)

    async def _spawn(self, role: SupervisedRole) -> Process:
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then
        # ends the roles in order.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fyke.cli.main",
            "serve",
            "--role",
            role.name,
            "--parent",
            str(os.getpid()),
            *role.arguments,
            env=self._environment,
            pass_fds=role.pass_fds,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=self._log_to,
            start_new_session=True,
        )

    async def drain(self, seconds: float, hurry: asyncio.Event, say: Callable[[str], None]) -> None:
        """End the roles in order. The runner may finish what it carries within ``seconds``, or
        until ``hurry`` is set; then it ends its attempts with a stated reason."""
        self._stopping = True
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
            log.error("role_killed", role=role.name)
            process.kill()
            await process.wait()


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent dies, whatever killed the parent.

    ``parent`` is the pid of the one who started us: in a container that may well be 1, which
    elsewhere would mean that it is gone already.
    """
    import ctypes

    pr_set_pdeathsig = 1
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the supervisor is gone")
