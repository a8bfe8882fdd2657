"""The supervisor's side of the preload process: start it, keep it, have it fork."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from typing import Any

from fyke.cli.children import Child, Children
from fyke.cli.supervisor_log import SupervisorLog
from fyke.kit.backoff import delay

PROGRAM = (sys.executable, "-P", "-m", "fyke.cli.preload")
PACKET = 4096
STABLE_SECONDS = 10.0
MAX_PAUSE = 5.0


class ForkFailed(Exception):
    """The preload process has ended or cannot fork; a later attempt may succeed."""


class PreloadClient:
    """One preload process at a time; what it has forked does not end with it."""

    def __init__(self, children: Children, log: SupervisorLog) -> None:
        self._children = children
        self._log = log
        self._one_request = asyncio.Lock()
        self._control: socket.socket | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.process: Child | None = None

    def start(self) -> None:
        """Start the process, and start it again whenever it ends by itself."""
        self.process = self._spawn()
        self._keeper = asyncio.create_task(self._keep(self.process))

    async def stop(self) -> None:
        """End it; nothing can be forked afterwards."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
        self._close()

    async def fork(self, task: str, stderr: int, *descriptors: int, **details: Any) -> Child:
        """Have it fork a process for ``task``, with ``stderr`` as its standard error and copies of
        ``descriptors``. Raises ``ForkFailed``.
        """
        async with self._one_request:
            with self._children.expecting():
                answer = await self._ask({"task": task, **details}, [stderr, *descriptors])
                return self._children.adopt(answer)

    async def _ask(self, request: dict[str, Any], descriptors: list[int]) -> int:
        control = self._control
        if control is None:
            raise ForkFailed("the preload process is being started again")
        loop = asyncio.get_running_loop()
        try:
            socket.send_fds(control, [json.dumps(request).encode()], descriptors)
            answer = json.loads(await loop.sock_recv(control, PACKET) or "{}")
        except OSError as error:
            raise ForkFailed(str(error)) from None
        except asyncio.CancelledError:
            self._close()  # its answer would be taken for that of the next request
            raise
        if "pid" not in answer:
            raise ForkFailed(answer.get("error", "the preload process has ended"))
        return int(answer["pid"])

    async def _keep(self, process: Child) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            code = await process.wait()
            self._close()
            failures = 1 if loop.time() - began > STABLE_SECONDS else failures + 1
            pause = delay(failures, base=0.2, cap=MAX_PAUSE)
            self._log.error("preload_ended", code=code, again_in=round(pause, 2))
            await asyncio.sleep(pause)
            process = await self._spawn_at_last()

    async def _spawn_at_last(self) -> Child:
        while True:
            try:
                self.process = self._spawn()
            except OSError as error:  # no memory, or no process, at this moment
                self._close()
                self._log.error("preload_not_started", error=str(error), again_in=MAX_PAUSE)
                await asyncio.sleep(MAX_PAUSE)
            else:
                return self.process

    def _spawn(self) -> Child:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        with theirs, self._children.expecting():
            # A session of its own, see Supervisor.
            process = subprocess.Popen(
                [
                    *PROGRAM,
                    *("--parent", str(os.getpid()), "--control", str(theirs.fileno())),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            process.returncode = 0  # it is waited for by Children
            return self._children.adopt(process.pid)

    def _close(self) -> None:
        control, self._control = self._control, None
        if control is not None:
            control.close()
