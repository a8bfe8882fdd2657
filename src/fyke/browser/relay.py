"""Moves the messages of one WebSocket between a client and Chromium."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import msgspec

from fyke.browser.event_reader import SHORTEST as SHORTEST_EVENT
from fyke.browser.streams import ByteStream
from fyke.browser.taps import Taps
from fyke.browser.websocket import BadFrame, FrameStream, Look, client_frame, text_frame

PIECE = 16 * 1024  # bytes that are moved in one step
SHORTEST = len('{"method":"Browser.close"}')  # of the commands that are looked for
MAX_ANSWERS = 64 * 1024  # bytes of ours that wait for the end of a message of Chromium
MAX_OWN = 8  # commands of ours that are not answered
_FIRST_OWN = 2_147_000_000  # the number of the first one; clients count from 1
_ANSWER = re.compile(rb'\{"id":([0-9]{10})[,}]')


class MessageRelay:
    """Relays until either side ends. ``look_down`` gets the small messages of Chromium. ``on_note``
    gets the code and the text of a line for the log when a tap has answered. ``hold`` is awaited
    before what the client has sent is passed on.
    """

    def __init__(
        self,
        client: ByteStream,
        chromium: ByteStream,
        taps: Taps,
        look_down: Look | None,
        on_note: Callable[[str, str], None],
        hold: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._client = client
        self._hold = hold
        self._chromium = chromium
        self._taps = taps
        self._on_note = on_note
        self._up = FrameStream(self._look, min_read=SHORTEST)
        self._look_down = look_down
        self._down = FrameStream(
            None if look_down is None else self._look_at_answer, min_read=SHORTEST_EVENT
        )
        self._own: set[int] = set()  # numbers of commands of ours
        self._own_sent = 0
        self._commands: list[bytes] = []  # that wait for the end of a message of the client
        self._passing = False  # something that the client sent was read and is not passed on
        self._answers: list[bytes] = []
        self._answers_size = 0

    def ask(self, method: str, params: dict[str, object], session: str) -> None:
        """Send a command of ours between two messages of the client, which does not get the answer.
        It is left out while many are not answered.
        """
        if len(self._own) >= MAX_OWN or self._look_down is None:
            return
        number = _FIRST_OWN + self._own_sent % 100_000
        self._own_sent += 1
        self._own.add(number)
        command: dict[str, object] = {"id": number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        self._commands.append(client_frame(msgspec.json.encode(command)))
        if not self._passing:
            self._send_commands()

    async def run(self) -> None:
        """Relay; what has arrived when a side ends is passed on."""
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._move(self._client, self._chromium, self._up)),
            loop.create_task(self._move(self._chromium, self._client, self._down)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _move(self, source: ByteStream, target: ByteStream, frames: FrameStream) -> None:
        try:
            while data := await source.read(PIECE):
                self._passing = self._passing or source is self._client
                pieces = frames.feed(data)
                if source is self._client and self._hold is not None:
                    await self._hold()
                for piece in pieces:
                    target.write(piece)
                self._send_answers()
                if source is self._client:
                    self._passing = False
                    self._send_commands()
                await target.drain()
                await asyncio.sleep(0)  # a piece may have thousands of frames
                if source is self._client:
                    await source.drain()  # of our answers
        except BadFrame:
            source.abort()

    def _look(self, message: bytes) -> bool:
        """Whether a message of the client may pass."""
        found = self._taps.read(message)
        if found is None:
            return True
        command, answer = found
        if answer.note is not None:
            self._on_note(*answer.note)
        frame = text_frame(answer.encode(command))
        self._answers.append(frame)
        self._answers_size += len(frame)
        if self._answers_size > MAX_ANSWERS:
            self._client.abort()
        return False

    def _look_at_answer(self, message: bytes) -> bool:
        """Whether a message of Chromium may pass."""
        if self._own and (found := _ANSWER.match(message)):
            number = int(found[1])
            if number in self._own:
                self._own.discard(number)
                return False
        return self._look_down is None or self._look_down(message)

    def _send_commands(self) -> None:
        if self._commands and self._up.between_messages:
            for frame in self._commands:
                self._chromium.write(frame)
            self._commands.clear()

    def _send_answers(self) -> None:
        if self._answers and self._down.between_messages:
            for frame in self._answers:
                self._client.write(frame)
            self._answers.clear()
            self._answers_size = 0
