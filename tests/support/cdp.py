"""A small client of the Chrome DevTools Protocol over a connected socket."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import socket
from typing import Any

SECONDS = 20.0


class CdpError(Exception):
    """The browser answered with an error, or ended."""


class Cdp:
    """Commands and events of one connection. ``events`` has every event so far, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._end = ""
        self._task = asyncio.create_task(self._read_all())

    @classmethod
    async def over(cls, sock: socket.socket, path: str) -> Cdp:
        """Upgrade a connection to a WebSocket."""
        reader, writer = await asyncio.open_connection(sock=sock, limit=2**26)
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        writer.write(upgrade.encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
        if not head.startswith(b"HTTP/1.1 101"):
            raise CdpError(head.decode(errors="replace"))
        return cls(reader, writer)

    async def call(
        self, method: str, session: str = "", seconds: float = SECONDS, **parameters: Any
    ) -> dict[str, Any]:
        """Send a command; return its result. Raise ``CdpError``."""
        if self._end:
            raise CdpError(self._end)
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send(json.dumps(message).encode())
        reply = await asyncio.wait_for(answer, seconds)
        if "error" in reply:
            raise CdpError(f"{method}: {reply['error'].get('message')}")
        result: dict[str, Any] = reply["result"]
        return result

    async def page(self, url: str = "about:blank") -> str:
        """Open a page; return the session."""
        target = await self.call("Target.createTarget", url=url)
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        return str(attached["sessionId"])

    async def evaluate(self, session: str, expression: str, seconds: float = SECONDS) -> Any:
        """The value of an expression, or of the promise that it returns."""
        result = await self.call(
            "Runtime.evaluate",
            session,
            seconds,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in result:
            raise CdpError(str(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    async def event(self, method: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait for the first event of this name."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.events:
                    if event["method"] == method:
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        self._task.cancel()
        self._writer.close()

    def _send(self, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = bytes((0x81, 0x80 | size))
        elif size < 65536:
            head = b"\x81\xfe" + size.to_bytes(2, "big")
        else:
            head = b"\x81\xff" + size.to_bytes(8, "big")
        self._writer.write(head + bytes(4) + data)  # a mask of zeros leaves the data as it is

    async def _read_all(self) -> None:
        try:
            while True:
                self._take(json.loads(await self._read_message()))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self._end = f"the browser has ended: {error!r}"
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(CdpError(self._end))

    async def _read_message(self) -> bytes:
        message = b""
        while True:
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(
                    await self._reader.readexactly(2 if size == 126 else 8), "big"
                )
            message += await self._reader.readexactly(size)
            if first & 0x80:
                return message

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            answer = self._waiting.pop(message["id"], None)
            if answer is not None and not answer.done():
                answer.set_result(message)
        else:
            self.events.append(message)
            self._changed.set()
