"""The supervisor: starts, restarts, drains and stops the roles of one machine.

It keeps the listening socket, so that during a restart of the server connections wait instead of
being refused. Several servers accept from this one socket, so a connection waits for the next that
is free. A role that is silent is killed (``fyke.cli.role_watch``) and restarted as well. The
gateway for nodes is started when a server reports that it is needed, and then kept running; the
role ``browser`` when a runner reports it, until that role ends because it has nothing to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fyke.cli.children import Child, Children
from fyke.cli.errors import Exit
from fyke.cli.preload_client import (
    MAX_PAUSE,
    STABLE_SECONDS,
    FirstPreload,
    ForkFailed,
    PreloadClient,
)
from fyke.cli.role_record import RoleRecord
from fyke.cli.role_watch import SILENCE, RoleWatch
from fyke.cli.supervisor_log import SupervisorLog
from fyke.kit.backoff import delay

GATEWAY, BROWSER = "gateway", "browser"
STOP_SECONDS = 10.0
IDLE_END_SECONDS = 2.0  # an idle runner ends within this time
# Without a launcher, the Workers of a frozen runner end only with the runner. So it is killed
# before its leases expire and others may declare its attempts lost.
LONE_RUNNER_SILENCE = 12.0
LEASE_MARGIN = 3.0


@dataclass(slots=True)
class SupervisedRole:
    """A process of the role ``role``, and its number of consecutive failures. ``name`` is that of
    the process: ``server``, ``server-2`` and so on.
    """

    name: str
    role: str
    descriptors: tuple[int, ...] = ()
    process: Child | None = None
    failures: int = 0
    restart_task: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Forks every role from one preload process and restarts a role that ends by itself."""

    def __init__(
        self,
        listener: int | None,
        settings: int,
        log_to: int,
        log_level: str,
        *,
        lease_seconds: float,
        launcher: bool,
        browser: bool,
        servers: int = 1,
        record: RoleRecord,
        silence: float = SILENCE,
        preload: FirstPreload | None = None,
    ) -> None:
        """Requires a running event loop. ``listener``, ``settings`` and ``log_to`` are the
        descriptors of the server's socket, None on a node, of the settings for roles that read
        none, and of the log of all roles; ``lease_seconds``: how long an
        attempt stays with a runner that does not renew its lease; ``launcher``: whether there is
        one; ``browser``: whether Workers can have browsers; ``servers``: how many processes accept
        connections; ``record`` gets the processes of the roles; ``silence``: for how many seconds a
        role may not report.
        """
        self._record = record
        self._settings = settings
        self._log_to = log_to
        self._log = SupervisorLog(log_level, log_to)
        self._preload = PreloadClient(Children(), self._log, preload)
        runner_silence = min(LONE_RUNNER_SILENCE, lease_seconds - LEASE_MARGIN)
        loop_silence = {} if launcher else {"runner": runner_silence}
        self._watch = RoleWatch(
            self._log,
            silence=silence,
            loop_silence=loop_silence,
            on_needed=self._start_needed,
        )
        self._watching: asyncio.Task[None] | None = None
        self._roles = roles_of(listener, servers=servers)
        self._serves_browsers = browser
        self.stopping = False
        self.node_ended = asyncio.Event()  # the node must not go on, and not be started again
        self.node_idle = asyncio.Event()  # the node has stopped by itself
        self._preload.start()

    async def run_task(self, task: str, /, **details: Any) -> int:
        """Run ``task`` in a process; return its exit status. Raises ``ForkFailed``."""
        process = await self._preload.fork(task, sys.stderr.fileno(), **details)
        try:
            return await process.wait()
        finally:
            process.send_signal(signal.SIGTERM)

    def start(self) -> None:
        """Start every role, with an asyncio task that restarts it, and a task that watches them."""
        self._watching = asyncio.create_task(self._watch.run())
        for role in self._roles:
            role.restart_task = asyncio.create_task(self._keep_running(role))

    def _start_needed(self, name: str) -> None:
        """Start the role of this name, unless it is running or being restarted."""
        if self.stopping or self._processes_of(name):
            return
        if name == BROWSER and not self._serves_browsers:
            return
        role = SupervisedRole(name, name)
        self._roles.append(role)
        role.restart_task = asyncio.create_task(self._keep_running(role))

    def hear_launcher(self, events: int) -> None:
        """Log and count the ends of the launcher, which the root supervisor writes to the pipe
        ``events``.
        """
        os.set_inheritable(events, False)
        asyncio.get_running_loop().add_reader(events, self._receive_launcher, events)

    def _receive_launcher(self, events: int) -> None:
        lines = os.read(events, 2**16).splitlines()
        if not lines:  # the root supervisor has ended
            asyncio.get_running_loop().remove_reader(events)
        for line in lines:
            end = json.loads(line)
            self._log.error("launcher_ended", **end)
            self._watch.launcher_ended(end["reason"])

    async def _keep_running(self, role: SupervisedRole) -> None:
        loop = asyncio.get_running_loop()
        while not self.stopping:
            started_at = loop.time()
            try:
                with self._watch.connection(role.name) as reports:
                    descriptors = (reports, self._settings, *role.descriptors)
                    role.process = await self._preload.fork(
                        role.role, self._log_to, *descriptors, name=role.name
                    )
                self._watch.started(role.name, role.process)
                self._record.add(role.name, role.process.pid)
                code: int | str = await role.process.wait()
            except (ForkFailed, OSError) as error:
                code = str(error)
            role.process = None
            if role.role == BROWSER and code == Exit.OK and not self.stopping:
                self._watch.idle(role.name)
                self._roles.remove(role)
                return
            self._watch.ended(role.name, code)
            if self.stopping:
                return
            if code == Exit.NODE_ENDED:
                self.node_ended.set()
                return
            if code == Exit.NODE_IDLE:
                self.node_idle.set()
                return
            role.failures = 1 if loop.time() - started_at > STABLE_SECONDS else role.failures + 1
            pause = delay(role.failures, base=0.2, cap=MAX_PAUSE)
            self._log.error("role_ended", role=role.name, code=code, again_in=round(pause, 2))
            await asyncio.sleep(pause)

    async def drain(
        self, seconds: float, stop_now: asyncio.Event, say: Callable[[str], None]
    ) -> None:
        """Stop the roles in order. The runner may finish its attempts within ``seconds``, or until
        ``stop_now`` is set; then its attempts fail."""
        self.stopping = True
        await self._preload.stop()
        [runner] = self._processes_of("runner")
        await self._end_runner(runner, seconds, stop_now, say)
        for name in (GATEWAY, "server", BROWSER, "egress"):
            await asyncio.gather(*map(self._end, self._processes_of(name)))
        tasks = [role.restart_task for role in self._roles if role.restart_task]
        tasks += [self._watching] if self._watching else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _processes_of(self, name: str) -> list[SupervisedRole]:
        return [role for role in self._roles if role.role == name]

    async def _end_runner(
        self,
        role: SupervisedRole,
        seconds: float,
        stop_now: asyncio.Event,
        say: Callable[[str], None],
    ) -> None:
        if role.process is None:
            return
        process = role.process
        process.send_signal(signal.SIGTERM)
        ended = asyncio.create_task(process.wait())
        stop_waiter = asyncio.create_task(stop_now.wait())
        await asyncio.wait({ended}, timeout=IDLE_END_SECONDS)
        if not ended.done():
            say(f"Waiting up to {seconds:g} s for running Workers; Ctrl-C again stops them now.")
            await asyncio.wait(
                {ended, stop_waiter}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        stop_waiter.cancel()
        await self._end(role)

    async def _end(self, role: SupervisedRole) -> None:
        """Send SIGTERM and, after ``STOP_SECONDS``, SIGKILL."""
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


def roles_of(listener: int | None, *, servers: int) -> list[SupervisedRole]:
    """The processes to supervise from the start, see ``Supervisor``."""
    names = ["server", *(f"server-{number}" for number in range(2, servers + 1))]
    return [
        SupervisedRole("egress", "egress"),
        SupervisedRole("runner", "runner"),
        *(SupervisedRole(name, "server", (listener,)) for name in names if listener is not None),
    ]
