"""The supervisor's side of the preload process: start and restart it, and request forks."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
from typing import Any, NamedTuple

from fyke.cli.children import Child, Children
from fyke.cli.supervisor_log import SupervisorLog
from fyke.kit.backoff import delay

PROGRAM = (sys.executable, "-P", "-m", "fyke.cli.preload")
PACKET = 4096
STABLE_SECONDS = 10.0
FORK_SECONDS = 20.0  # how long a fork may take before the process is replaced
FIRST_FORK_SECONDS = 120.0  # of a new process, which imports everything first
MAX_PAUSE = 5.0


class ForkFailed(Exception):
    """The preload process has ended or cannot fork; a later attempt may succeed."""


class FirstPreload(NamedTuple):
    """The preload process that was forked before the event loop, and its control socket."""

    pid: int
    control: socket.socket


def fork_first_preload() -> FirstPreload | None:
    """Fork the first preload process. This process has no thread, event loop or handler yet, and
    no object that the other may not see. Does not return in the other process. None: the machine
    has no process or file left at the moment; ``PreloadClient`` starts one later.
    """
    supervisor = os.getpid()
    try:
        control, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:
        return None
    gc.freeze()
    try:
        pid = os.fork()
    except OSError:
        control.close()
        peer.close()
        return None
    if not pid:
        control.close()  # or it would close another file of this number later
        from fyke.cli.preload import main_of_fork

        main_of_fork(peer.detach(), supervisor)
        sys.exit()
    peer.close()
    control.setblocking(False)
    return FirstPreload(pid, control)


class PreloadClient:
    """One preload process at a time; processes that it has forked survive it."""

    def __init__(
        self, children: Children, log: SupervisorLog, first: FirstPreload | None = None
    ) -> None:
        """``first``: the process to use instead of starting one."""
        self._first = first
        self._children = children
        self._log = log
        self._one_request = asyncio.Lock()
        self._control: socket.socket | None = None
        self._restart_task: asyncio.Task[None] | None = None
        self.process: Child | None = None
        self.fork_seconds = FORK_SECONDS
        self._has_answered = False  # since its start

    def start(self) -> None:
        """Start the process, and restart it whenever it ends."""
        self.process = self._spawn()
        self._restart_task = asyncio.create_task(self._keep_running(self.process))

    async def stop(self) -> None:
        """Stop the process; no fork is possible afterwards."""
        if self._restart_task is not None:
            self._restart_task.cancel()
            await asyncio.gather(self._restart_task, return_exceptions=True)
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
        self._close()

    async def fork(self, task: str, stderr: int, *descriptors: int, **details: Any) -> Child:
        """Fork a process for ``task``, with ``stderr`` as its standard error and copies of
        ``descriptors``. Raises ``ForkFailed``.
        """
        async with self._one_request:
            with self._children.reaping_paused():
                pid = await self._request_fork({"task": task, **details}, [stderr, *descriptors])
                return self._children.adopt(pid)

    async def _request_fork(self, request: dict[str, Any], descriptors: list[int]) -> int:
        control = self._control
        if control is None:
            raise ForkFailed("the preload process is being restarted")
        loop = asyncio.get_running_loop()
        seconds = self.fork_seconds if self._has_answered else FIRST_FORK_SECONDS
        try:
            socket.send_fds(control, [json.dumps(request).encode()], descriptors)
            async with asyncio.timeout(seconds):
                answer = json.loads(await loop.sock_recv(control, PACKET) or "{}")
            self._has_answered = True
        except TimeoutError:
            if self.process is not None:
                self.process.kill()  # it is frozen; another one is started
            self._close()
            raise ForkFailed(f"the preload process did not answer for {seconds:g} s") from None
        except OSError as error:
            raise ForkFailed(str(error)) from None
        except asyncio.CancelledError:
            self._close()  # the next request would get this answer
            raise
        if "pid" not in answer:
            raise ForkFailed(answer.get("error", "the preload process has ended"))
        return int(answer["pid"])

    async def _keep_running(self, process: Child) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started_at = loop.time()
            code = await process.wait()
            self._close()
            failures = 1 if loop.time() - started_at > STABLE_SECONDS else failures + 1
            pause = delay(failures, base=0.2, cap=MAX_PAUSE)
            self._log.error("preload_ended", code=code, again_in=round(pause, 2))
            await asyncio.sleep(pause)
            process = await self._spawn_with_retries()

    async def _spawn_with_retries(self) -> Child:
        while True:
            try:
                self.process = self._spawn()
            except OSError as error:  # temporarily no memory or process
                self._close()
                self._log.error("preload_not_started", error=str(error), again_in=MAX_PAUSE)
                await asyncio.sleep(MAX_PAUSE)
            else:
                return self.process

    def _spawn(self) -> Child:
        self._has_answered = False
        first, self._first = self._first, None
        if first is not None:
            self._control = first.control
            with self._children.reaping_paused():  # it may have ended already
                return self._children.adopt(first.pid)
        self._control, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        with peer, self._children.reaping_paused():
            # a session of its own, as for the roles
            process = subprocess.Popen(
                [
                    *PROGRAM,
                    *("--parent", str(os.getpid()), "--control", str(peer.fileno())),
                ],
                pass_fds=[peer.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            process.returncode = 0  # Children reaps it
            return self._children.adopt(process.pid)

    def _close(self) -> None:
        control, self._control = self._control, None
        if control is not None:
            control.close()
