"""The DevTools protocol as Chromium speaks it, written by a test."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fyke.browser.websocket import text_frame
from support.browser_place import read_message


class Devtools:
    """The other end of a session. ``commands`` are those that arrived; each is answered with its
    result in ``results``, else with an empty one. The methods in ``unanswered`` are not.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.commands: list[dict[str, Any]] = []
        self.results: dict[str, Any] = {}
        self.unanswered: set[str] = set()
        self.error_code = -32000
        self._writer = writer

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Answer commands until the connection ends."""
        while True:
            command = json.loads(await read_message(reader))
            self.commands.append(command)
            if command["method"] not in self.unanswered:
                self.answer(command)

    def answer(self, command: dict[str, Any]) -> None:
        """Answer a command with its result, or with an error if the result is a text."""
        result = self.results.get(command["method"], {})
        failed = isinstance(result, str)
        error = {"code": self.error_code, "message": result}
        outcome = {"error": error} if failed else {"result": result}
        self.write({"id": command["id"]} | outcome)

    def say(self, method: str, session: str = "", /, **params: object) -> None:
        """Send an event."""
        of_session = {"sessionId": session} if session else {}
        self.write({"method": method, "params": params} | of_session)

    def attached(self, session: str, kind: str, parent: str = "") -> None:
        """Say that a target has a session now, ``parent`` is that of its page."""
        info = {"targetId": f"T{session}", "type": kind, "title": "", "url": ""}
        self.say("Target.attachedToTarget", parent, sessionId=session, targetInfo=info)

    def write(self, message: object) -> None:
        text = message if isinstance(message, bytes) else _encode(message)
        self._writer.write(text_frame(text))

    def close(self) -> None:
        """End the connection."""
        self._writer.close()

    def sent(self, method: str) -> list[tuple[str, Any]]:
        """Session and parameters of the commands of a method."""
        return [
            (command.get("sessionId", ""), command["params"])
            for command in self.commands
            if command["method"] == method
        ]


def _encode(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()  # as Chromium writes it
