"""``LauncherClient``: the spawner of a process that has dropped root.

It connects on first use, and again after the launcher was restarted. When the connection breaks,
all sandboxes opened over it have ended: the launcher kills them, or the kernel does when the
launcher itself ended. It reports to the launcher every second that this process is running;
without such reports the launcher ends the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

from fyke.contracts.execution import SandboxFault
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.process.order import LISTENERS, Assignment, LaunchOrder
from fyke.sandbox.process.sandbox_process import ProcessExit, ProcessPipes, ProcessUsage
from fyke.sandbox.process.spawner import SpawnedSandbox

PACKET = 65536
RETRY_SECONDS = 0.1
REPORT_SECONDS = 1.0
DESCRIPTORS = LISTENERS + 3


class LauncherGone(SandboxFault):
    """The connection is closed; the sandboxes opened over it have ended."""


class LauncherClient:
    """Implements ``Spawner`` over the launcher's socket."""

    def __init__(
        self,
        socket_path: Path,
        *,
        timeout: float = 15.0,
        report_seconds: float = REPORT_SECONDS,
    ) -> None:
        """``timeout`` is how many seconds a restart of the launcher may take; ``report_seconds``
        the time between two reports to it.
        """
        self._path = socket_path
        self._timeout = timeout
        self._report_seconds = report_seconds
        self._connection: socket.socket | None = None
        self._connecting = asyncio.Lock()
        self._session = 0  # counts connections; a sandbox keeps the number of its connection
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Any, list[int]]]] = {}
        self._reporting: asyncio.Task[None] | None = None
        self._reported_at = 0.0  # time of the first report that has no answer yet, 0 for none
        self._refusal = ""  # why the launcher is about to end the connection

    async def connect(self) -> None:
        """Connect unless connected; wait for a launcher that is restarting.

        Raise ``SandboxFault`` when it does not listen in time.
        """
        async with self._connecting:
            if self._connection is not None:
                return
            loop = asyncio.get_running_loop()
            started = loop.time()
            while True:
                try:
                    connection = await self._dial()
                    break
                except OSError as error:
                    if loop.time() - started >= self._timeout:
                        raise SandboxFault(f"no launcher at {self._path}: {error}") from error
                    await asyncio.sleep(RETRY_SECONDS)
            self._connection = connection
            self._session += 1
            loop.add_reader(connection, self._receive, connection)
            self._reporting = asyncio.create_task(self._report_regularly())

    async def _dial(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, os.fspath(self._path))
        except OSError:
            connection.close()
            raise
        return connection

    def stop_waiting(self) -> None:
        """Raise at once, also in waiting calls, when no launcher listens."""
        self._timeout = 0.0

    async def close(self) -> None:
        """Disconnect; the launcher then ends the sandboxes that are still open."""
        self._disconnect("the connection was closed")

    @property
    def unanswered_seconds(self) -> float:
        """How long the launcher has left a report unanswered; 0 when it answers. A launcher that is
        frozen keeps its connections."""
        return time.monotonic() - self._reported_at if self._reported_at else 0.0

    async def _report_regularly(self) -> None:
        """Report to the launcher until the connection ends. A report is sent whether or not the
        last one was answered."""
        while True:
            await asyncio.sleep(self._report_seconds)
            number = next(self._numbers)
            answer = asyncio.get_running_loop().create_future()
            answer.add_done_callback(self._on_report_answered)
            self._waiting[number] = answer
            self._reported_at = self._reported_at or time.monotonic()
            self._send(json.dumps({"id": number, "op": "report"}).encode())

    def _on_report_answered(self, answer: asyncio.Future[tuple[Any, list[int]]]) -> None:
        if not answer.cancelled():
            answer.exception()  # nothing else retrieves the error of a lost connection
        self._reported_at = 0.0

    async def start(self, order: LaunchOrder) -> SpawnedSandbox:
        result, numbers = await self.ask("open", **order.to_message())
        control, *listeners, out, err = numbers
        ends = ProcessPipes(
            socket.socket(fileno=control), [socket.socket(fileno=n) for n in listeners], out, err
        )
        channel = SandboxChannel(self, self._session, order.name)
        enforced = frozenset(result["enforced"])
        return RemoteSandboxProcess(channel, ends, result["user"], enforced, result["cached"])

    def alive(self, session: int) -> bool:
        """Whether that connection is still open, so that its sandboxes still exist."""
        return self._connection is not None and self._session == session

    async def limits(self) -> tuple[str, str]:
        (kind, reason), _ = await self.ask("limits")
        return kind, reason

    async def sweep(self, active: frozenset[str]) -> list[str]:
        names, _ = await self.ask("sweep", living=sorted(active))
        return list(names)

    async def drop_cache(self, name: str) -> None:
        if self._connection is not None:  # it belongs to the connection
            await self.ask("drop_cache", cache=name)

    async def ask(self, operation: str, **fields: Any) -> tuple[Any, list[int]]:
        """Send a request; return the result and the descriptors. Raise ``SandboxFault``."""
        await self.connect()
        number = next(self._numbers)
        answer: asyncio.Future[tuple[Any, list[int]]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        packet = json.dumps({"id": number, "op": operation, **fields}).encode()
        try:
            self._send(packet)
            return await answer
        except SandboxFault:
            self._waiting.pop(number, None)
            raise
        except asyncio.CancelledError:
            if operation == "open":
                answer = asyncio.get_running_loop().create_future()
                answer.add_done_callback(lambda reply: self._discard(reply, fields["name"]))
                self._waiting[number] = answer
            raise
        finally:
            if answer.done():
                self._waiting.pop(number, None)

    def _send(self, packet: bytes) -> None:
        if self._connection is None or len(packet) > PACKET:
            raise SandboxFault("the request cannot be sent to the launcher")
        try:
            self._connection.send(packet)
        except OSError as error:
            # the launcher may have sent why it ended the connection
            while self._connection is not None and self._receive(self._connection):
                pass
            self._disconnect(f"the launcher cannot be reached: {error}")

    def _discard(self, reply: asyncio.Future[tuple[Any, list[int]]], name: str) -> None:
        """Close a sandbox whose caller was cancelled before it started."""
        if reply.cancelled() or reply.exception() is not None:
            return
        for number in reply.result()[1]:
            os.close(number)
        with contextlib.suppress(SandboxFault):
            self._send(
                json.dumps({"id": next(self._numbers), "op": "close", "name": name}).encode()
            )

    def _receive(self, connection: socket.socket) -> bool:
        """Read one packet; return whether there was one."""
        space = socket.CMSG_SPACE(DESCRIPTORS * 4)
        try:
            packet, ancillary, _, _ = connection.recvmsg(PACKET, space, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return False
        except OSError:
            packet, ancillary = b"", []
        if not packet:
            self._disconnect(self._refusal or "the launcher has ended")
            return False
        numbers = [
            number
            for _, kind, content in ancillary
            if kind == socket.SCM_RIGHTS
            for (number,) in struct.iter_unpack("i", content)
        ]
        self._settle(json.loads(packet), numbers)
        return True

    def _settle(self, message: dict[str, Any], numbers: list[int]) -> None:
        if message["id"] is None:
            self._refusal = message["error"]
            return
        answer = self._waiting.pop(message["id"], None)
        if answer is None or answer.done():
            for number in numbers:
                os.close(number)
        elif "error" in message:
            answer.set_exception(SandboxFault(message["error"]))
        else:
            answer.set_result((message["result"], numbers))

    def _disconnect(self, reason: str) -> None:
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection)
            self._connection.close()
            self._connection = None
        self._refusal = ""
        if self._reporting is not None:
            self._reporting.cancel()
            self._reporting = None
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(LauncherGone(reason))


class SandboxChannel:
    """Requests about one sandbox, only over the connection that it was opened over."""

    def __init__(self, client: LauncherClient, session: int, name: str) -> None:
        self._client = client
        self._session = session
        self._name = name

    async def ask(self, operation: str, **fields: Any) -> Any:
        if not self._client.alive(self._session):
            raise LauncherGone("the launcher has ended, and its sandboxes with it")
        result, _ = await self._client.ask(operation, name=self._name, **fields)
        return result


class RemoteSandboxProcess:
    """A sandbox that the launcher runs for us."""

    def __init__(
        self,
        channel: SandboxChannel,
        ends: ProcessPipes,
        user: int,
        enforced: frozenset[str],
        cached: int,
    ) -> None:
        self.ends = ends
        self.user = user
        self.enforced = enforced
        self.cached = cached
        self._channel = channel
        self._exit: ProcessExit | None = None
        self._usage: ProcessUsage | None = None  # set by ``close``
        self._waiting: asyncio.Task[ProcessExit] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def wait(self) -> ProcessExit:
        if self._exit is not None:
            return self._exit
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._ask_exit())
        return await asyncio.shield(self._waiting)

    async def _ask_exit(self) -> ProcessExit:
        status, out_of_memory = await self._channel.ask("wait")
        self._exit = ProcessExit(status, out_of_memory)
        return self._exit

    async def usage(self) -> ProcessUsage:
        if self._usage is not None:
            return self._usage
        return ProcessUsage(*await self._channel.ask("usage"))

    async def result_files(self) -> list[str]:
        return list(map(str, await self._channel.ask("result_files")))

    async def assign(self, assignment: Assignment) -> None:
        await self._channel.ask("assign", **assignment.to_message())

    async def limit_cpu(self) -> None:
        await self._channel.ask("cpu")

    async def observe(self) -> HostView:
        return HostView.of_message(await self._channel.ask("observe"))

    async def terminate(self) -> None:
        if self._closing is None:
            await self._channel.ask("terminate")

    async def kill(self) -> None:
        if self._closing is None:
            await self._channel.ask("kill")

    async def release(self) -> str:
        return str(await self._channel.ask("release"))

    async def save_cache(self, limit: int) -> int:
        return int(await self._channel.ask("save_cache", limit=limit))

    async def close(self) -> None:
        """Close the sandbox. Without a launcher it has ended already."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            last = await self._channel.ask("close")
        except LauncherGone:
            self._usage = self._usage or ProcessUsage()
            return
        self._usage = ProcessUsage(*last["usage"])
        self._exit = ProcessExit(*last["exit"])
