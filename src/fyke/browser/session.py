"""The gateway's own DevTools connection to a Chromium: commands, their answers, and events.

It has its own numbers and its own sessions, so that those of the Worker's client do not change.
All that arrives is from a process that may be hostile: messages and what waits for them are
limited, and nothing of them is shown without a limit.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from fyke.browser.endpoints import BadAnswer, read_answer
from fyke.browser.streams import ByteStream, StreamEnded
from fyke.browser.websocket import CLOSE, TEXT, BadFrame, client_frame, read_head, rest_of_head

MAX_MESSAGE = 4 * 2**20  # bytes; an event names a URL, which may have 2 MiB
MAX_ASKED = 4096  # commands whose answers are awaited
ANSWER_SECONDS = 10.0
_MAX_ERROR = 64 * 1024  # bytes of a refused handshake
_SESSION = re.compile(r"[0-9A-Za-z-]{1,64}")  # each command has it
_MAX_SHOWN = 200  # characters of an error of Chromium
_PIECE = 64 * 1024
_NUMBERED = re.compile(rb'\{"id":([0-9]{1,9})[,}]')
_FIRST, _SECOND = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_HALF = re.compile(  # of a character of two escapes
    rb"%b(?!%b)|(?<!%b)%b" % (_FIRST, _SECOND, _FIRST, _SECOND)
)
_REPLACEMENT = rb"\ufffd"
_TEMPLATE = rb"\\ufffd"  # the same, as a constant for the regular expression
_REPAIRED_AT_ONCE = 64 * 1024  # bytes; longer messages are repaired in a thread
_BEGIN_BYTES = 32  # of a message that is too long, to find its number
_DETACHED = "Target.detachedFromTarget"
_NO_SESSION = -32001  # code of an error
_GONE = "the page has gone"

BAD_ANSWER = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a message, or a part of it, may raise."""

OnEvent = Callable[[str, msgspec.Raw, str], None]


class DevtoolsFailed(Exception):
    """A command failed: Chromium answered with an error, too much, or not at all."""


class DevtoolsEnded(DevtoolsFailed):
    """The connection has ended."""


class TargetGone(DevtoolsFailed):
    """The page or frame of a command has gone."""


class AnswerTooLong(DevtoolsFailed):
    """Chromium answered with more bytes than allowed."""

    def __init__(self, size: int) -> None:
        super().__init__(f"Chromium answered with {size} bytes")


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Incoming(msgspec.Struct, rename="camel"):
    id: int = 0
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")
    error: _Error | None = None
    session_id: str = ""


class _SessionNamed(msgspec.Struct, rename="camel"):
    """Also of the event that a session has ended."""

    session_id: str


class _Asked:
    """A command whose answer is awaited."""

    __slots__ = ("answer", "max_bytes", "session")

    def __init__(self, answer: asyncio.Future[msgspec.Raw], session: str, max_bytes: int) -> None:
        self.answer = answer
        self.session = session
        self.max_bytes = max_bytes


_decode = msgspec.json.Decoder(_Incoming).decode
_decode_attached = msgspec.json.Decoder(_SessionNamed).decode
_encode = msgspec.json.Encoder().encode


class DevtoolsSession:
    """One connection, as ``opened`` makes it. ``on_event`` gets the method, the parameters and the
    session of each event; "" is the session of the browser itself.
    """

    def __init__(self, stream: ByteStream, on_event: OnEvent) -> None:
        self._stream = stream
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._asked: dict[int, _Asked] = {}  # by number
        self._cause = ""  # of the end
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection has ended."""

    def send(self, method: str, params: dict[str, Any], session: str = "") -> None:
        """Send a command whose answer does not matter. After the end it is ignored."""
        self._write(method, params, session)

    def start(
        self,
        method: str,
        params: dict[str, Any],
        session: str = "",
        *,
        max_bytes: int = MAX_MESSAGE,
    ) -> asyncio.Future[msgspec.Raw]:
        """Send a command; the future gets its result, or ``DevtoolsFailed``."""
        asked = _Asked(self._loop.create_future(), session, max_bytes)
        if self.ended.done():
            self._fail([asked], DevtoolsEnded(self._cause))
        elif len(self._asked) >= MAX_ASKED:
            self._fail([asked], DevtoolsFailed("too many commands wait for an answer"))
        else:
            number = self._write(method, params, session)
            self._asked[number] = asked
            asked.answer.add_done_callback(lambda _: self._asked.pop(number, None))
        return asked.answer

    async def ask(
        self,
        method: str,
        params: dict[str, Any],
        session: str = "",
        *,
        seconds: float = ANSWER_SECONDS,
        max_bytes: int = MAX_MESSAGE,
    ) -> msgspec.Raw:
        """The result of a command. ``max_bytes`` is the limit of the message with it. Raise
        ``DevtoolsFailed``.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self.start(method, params, session, max_bytes=max_bytes)
        except TimeoutError:
            raise DevtoolsFailed(f"{method}: no answer in {seconds:g} s") from None

    async def attach(self, target: str, *, seconds: float = ANSWER_SECONDS) -> str:
        """A session with a target, which sees no pause of it. Raise ``DevtoolsFailed``."""
        params = {"targetId": target, "flatten": True}
        result = await self.ask("Target.attachToTarget", params, seconds=seconds)
        try:
            session = _decode_attached(result).session_id
        except BAD_ANSWER:
            raise DevtoolsFailed("Target.attachToTarget: no session") from None
        if not is_session(session):
            raise DevtoolsFailed("Target.attachToTarget: no session")
        return session

    def attach_all(
        self, types: Sequence[str], session: str = "", *, wait: bool
    ) -> asyncio.Future[msgspec.Raw]:
        """Attach to all targets of some types, now and later: those below a page with its session.
        Each is named by an event ``Target.attachedToTarget`` with its session, those that exist
        before the answer. With ``wait``, new ones do nothing before ``resume``.
        """
        chosen = [{"type": one} for one in types]
        params = {
            "autoAttach": True,
            "waitForDebuggerOnStart": wait,
            "flatten": True,
            "filter": [*chosen, {"exclude": True}],
        }
        return self.start("Target.setAutoAttach", params, session)

    def resume(self, session: str) -> None:
        """Let a target begin that waits."""
        self.send("Runtime.runIfWaitingForDebugger", {}, session)

    @property
    def is_full(self) -> bool:
        """Whether Chromium has not read much of what was sent."""
        return self._stream.is_full

    async def drain(self) -> None:
        """Wait until most of what was sent is on its way."""
        await self._stream.drain()

    async def run(self) -> None:
        """Read until the connection ends; ``opened`` does it."""
        cause = "the gateway failed"
        try:
            while True:
                text = await self._next_message()
                if text and (message := await self._decoded(text)) is not None:
                    self._read(message, len(text))
                await self._stream.drain()  # of what the events made us send
                await asyncio.sleep(0)  # for the connections
        except StreamEnded:
            cause = "Chromium has ended the connection"
        except BadFrame as error:
            cause = f"Chromium sent {error}"
        finally:
            self.end(cause)

    def end(self, cause: str) -> None:
        """Fail what waits for an answer."""
        if not self.ended.done():
            self._cause = cause
            self.ended.set_result(None)
        self._fail(list(self._asked.values()), DevtoolsEnded(self._cause))

    # within

    def _write(self, method: str, params: dict[str, Any], session: str) -> int:
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        self._stream.write(client_frame(_encode(command)))
        return self._number

    async def _next_message(self) -> bytes:
        """The next text message; empty for a frame of another kind, or one that is too long. Raise
        ``StreamEnded`` or ``BadFrame``.
        """
        stream = self._stream
        head = await stream.read_exactly(2)
        head += await stream.read_exactly(rest_of_head(head[1]))
        found = read_head(head, 0)
        if found is None or found[1] or found[0] == CLOSE:  # a server masks nothing
            raise StreamEnded
        first, _, _, size = found
        if first == TEXT and size <= MAX_MESSAGE:
            return await stream.read_exactly(size)
        begin = await stream.read_exactly(min(size, _BEGIN_BYTES))
        left = size - len(begin)
        numbered = _NUMBERED.match(begin) if first == TEXT else None
        asked = self._asked.get(int(numbered[1])) if numbered else None
        if asked is not None and size <= asked.max_bytes:
            return begin + await stream.read_exactly(left)
        if asked is not None:
            self._fail([asked], AnswerTooLong(size))
        while left:
            part = await stream.read(min(left, _PIECE))
            if not part:
                raise StreamEnded
            left -= len(part)
        return b""

    async def _decoded(self, text: bytes) -> _Incoming | None:
        """A message; halves of characters, which a page may have in its texts, are replaced. None
        for what Chromium does not write, and for long messages with halves that were not asked for.
        """
        try:
            return _decode(text)
        except msgspec.ValidationError:
            return None
        except BAD_ANSWER:
            pass
        try:
            if len(text) <= _REPAIRED_AT_ONCE:
                return _decode(_LONE_HALF.sub(_TEMPLATE, text))
            numbered = _NUMBERED.match(text)
            if numbered and int(numbered[1]) in self._asked:
                return _decode(await asyncio.to_thread(_repaired, text))
        except BAD_ANSWER:
            pass
        return None

    def _read(self, message: _Incoming, size: int) -> None:
        if message.id:
            self._answered(message, size)
            return
        if message.method == _DETACHED:
            self._detached(message.params)
        self._on_event(message.method, message.params, message.session_id)

    def _answered(self, message: _Incoming, size: int) -> None:
        asked = self._asked.get(message.id)
        if asked is None or asked.answer.done():
            return
        if message.error is not None:
            text = message.error.message[:_MAX_SHOWN]
            shown = "".join(character if character.isprintable() else " " for character in text)
            gone = message.error.code == _NO_SESSION
            kind = TargetGone if gone else DevtoolsFailed
            self._fail([asked], kind(f"Chromium answered: {shown}"))
        elif size > asked.max_bytes:
            self._fail([asked], AnswerTooLong(size))
        else:
            asked.answer.set_result(message.result)

    def _detached(self, params: msgspec.Raw) -> None:
        """Chromium does not answer what a session was asked that has ended."""
        with suppress(*BAD_ANSWER):
            session = _decode_attached(params).session_id
            of_session = [asked for asked in self._asked.values() if asked.session == session]
            self._fail(of_session, TargetGone(_GONE))

    def _fail(self, asked: Sequence[_Asked], error: DevtoolsFailed) -> None:
        for one in asked:
            if not one.answer.done():
                one.answer.set_exception(error)
                one.answer.exception()  # its waiter may have gone


def is_session(name: str) -> bool:
    """Whether this may be the id of a session."""
    return _SESSION.fullmatch(name) is not None


def _repaired(text: bytes) -> bytes:
    """A long message without halves of characters. Other threads run meanwhile, as they could not
    if the replacement were no function.
    """
    return _LONE_HALF.sub(lambda _: _REPLACEMENT, text)


@asynccontextmanager
async def opened(
    stream: ByteStream, port: int, path: str, on_event: OnEvent, *, seconds: float = ANSWER_SECONDS
) -> AsyncIterator[DevtoolsSession]:
    """A session over a connection to the DevTools port of a Chromium. Raise ``DevtoolsFailed``."""
    stream.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(seconds):
            status, _ = await read_answer(stream, _MAX_ERROR)
    except TimeoutError:
        raise DevtoolsFailed(f"Chromium did not answer in {seconds:g} s") from None
    except BadAnswer as error:
        raise DevtoolsFailed(str(error)) from None
    if status != 101:
        raise DevtoolsFailed(f"Chromium answered with status {status}")
    session = DevtoolsSession(stream, on_event)
    reading = asyncio.create_task(session.run())
    try:
        yield session
    finally:
        reading.cancel()
        (failure,) = await asyncio.gather(reading, return_exceptions=True)
        session.end("the gateway has ended the connection")  # also one that was not read yet
        if isinstance(failure, Exception):
            raise failure  # of ``on_event``
