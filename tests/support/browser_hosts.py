"""The other end of a gateway's control socket, without a sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from fyke.kit.frames import encode
from fyke.sandbox.isolation.browser_host import open_channel
from support.browser import PROGRAMS

GUID = "/devtools/browser/0123-abcd"


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class ScriptedHost:
    """Answers ``start`` with the port of ``serve``, a handler in this process.

    ``requests`` are the frames that arrived. ``before`` is called with each of them; when it
    returns False, the frame is not answered.
    """

    def __init__(
        self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> None:
        self._serve = serve
        self.theirs, self._control = socket.socketpair()
        self.ours = open_channel(self._control)
        self.requests: list[dict[str, object]] = []
        self.before: Callable[[dict[str, object]], bool] = lambda frame: True
        self.port = 0
        self.ended = False

    async def __aenter__(self) -> ScriptedHost:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.ours.setblocking(False)
        self._reader, self._writer = await asyncio.open_connection(sock=self.ours.dup())
        self._task = asyncio.create_task(self._answer())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        self._writer.close()
        self.ours.close()
        self._control.close()
        self._server.close()

    def kinds(self) -> list[object]:
        return [frame["type"] for frame in self.requests]

    def event(self, **frame: object) -> None:
        self.ours.sendall(encode(frame))

    def refuse(self) -> None:
        """Refuse further connections to the port."""
        self._server.close()

    def end(self) -> None:
        """End the sandbox."""
        self.ours.shutdown(socket.SHUT_RDWR)

    async def _answer(self) -> None:
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(4), "big")
                frame = json.loads(await self._reader.readexactly(length))
                self.requests.append(frame)
                if self.before(frame):
                    self.answer(frame)
        except (asyncio.IncompleteReadError, OSError):
            self.ended = True

    def answer(self, frame: dict[str, object]) -> None:
        if frame["type"] == "start":
            where = {"instance": frame["instance"], "port": self.port, "path": GUID}
            self.event(type="started", id=frame["id"], **where)
        else:
            self.event(type="ended", instance=frame["instance"], status=-15)
            self.event(type="stopped", id=frame["id"])


class PlainHost:
    """Runs the system's headless Chromium without a sandbox, as the frames ask for, with
    ``arguments``. It ends with the control socket.
    """

    def __init__(self, control: socket.socket, folder: Path, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._control = control
        self._channel = open_channel(control)
        self._channel.setblocking(False)
        self._folder = folder
        self._count = 0
        self.processes: dict[int, asyncio.subprocess.Process] = {}

    async def run(self) -> None:
        reader, self._writer = await asyncio.open_connection(sock=self._channel.dup())
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4), "big")
                await self._answer(json.loads(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._control.close()
            self._channel.close()
            self._writer.close()
            for instance, process in self.processes.items():
                self.kill(instance)
                await process.wait()

    def kill(self, instance: int) -> None:
        """Kill a Chromium with all its processes; Debian's command is a script that starts it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[instance].pid, signal.SIGKILL)

    async def _answer(self, frame: dict[str, object]) -> None:
        number, instance = frame["id"], frame.get("instance")
        if frame["type"] == "start":
            assert isinstance(instance, int)
            try:
                port, path = await self._start(instance)
            except (OSError, TimeoutError) as error:
                self._send({"type": "failed", "id": number, "error": str(error), "stderr": ""})
                return
            where = {"instance": instance, "port": port, "path": path}
            self._send({"type": "started", "id": number} | where)
        elif frame["type"] == "stop":
            assert isinstance(instance, int)
            self.kill(instance)
            self._send({"type": "stopped", "id": number})

    async def _start(self, instance: int) -> tuple[int, str]:
        self._count += 1
        profile = self._folder / f"p{self._count}"
        program = next(filter(None, map(shutil.which, PROGRAMS)))
        process = await asyncio.create_subprocess_exec(
            program,
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            *self._arguments,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes[instance] = process
        file = profile / "DevToolsActivePort"
        await until(lambda: file.exists() and file.read_text().count("\n") == 1)
        port, path = file.read_text().split("\n")
        waiting = asyncio.create_task(self._report_end(instance, process))
        self._waiting = waiting
        return int(port), path

    async def _report_end(self, instance: int, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        self._send({"type": "ended", "instance": instance, "status": status})

    def _send(self, frame: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(encode(frame))


@contextlib.asynccontextmanager
async def plain_host(
    folder: Path, *arguments: str
) -> AsyncIterator[tuple[PlainHost, socket.socket]]:
    """A host, and the control socket for the gateway, which the caller gives away or closes."""
    theirs, ours = socket.socketpair()
    host = PlainHost(ours, folder, arguments)
    task = asyncio.create_task(host.run())
    try:
        yield host, theirs
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
