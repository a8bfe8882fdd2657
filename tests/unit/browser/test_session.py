"""The gateway's own DevTools connection: answers, events, and a Chromium that misbehaves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from fyke.browser import session as session_module
from fyke.browser.session import (
    MAX_MESSAGE,
    DevtoolsEnded,
    DevtoolsFailed,
    DevtoolsSession,
    TargetGone,
    opened,
)
from fyke.browser.streams import ByteStream
from support.browser_hosts import until
from support.devtools import Devtools

pytestmark = pytest.mark.anyio
PATH = "/devtools/browser/0123"


class Talk:
    """A session, and the Chromium that it is connected to."""

    def __init__(self, session: DevtoolsSession, devtools: Devtools, events: list[object]) -> None:
        self.session = session
        self.devtools = devtools
        self.events = events


@asynccontextmanager
async def stream_and_peer() -> AsyncIterator[
    tuple[ByteStream, asyncio.StreamReader, asyncio.StreamWriter]
]:
    ours, theirs = socket.socketpair()
    stream = ByteStream()
    await asyncio.get_running_loop().create_connection(lambda: stream, sock=ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    try:
        async with asyncio.timeout(30):
            yield stream, reader, writer
    finally:
        stream.abort()
        writer.close()


@asynccontextmanager
async def talk() -> AsyncIterator[Talk]:
    async with stream_and_peer() as (stream, reader, writer):
        events: list[object] = []
        devtools = Devtools(writer)

        async def serve() -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:1234\r\n".encode())
            assert b"Origin" not in head
            writer.write(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")
            with suppress(asyncio.IncompleteReadError, OSError):
                await devtools.serve(reader)

        def on_event(method: str, params: msgspec.Raw, session: str) -> None:
            with suppress(UnicodeDecodeError):
                events.append((method, msgspec.json.decode(params), session))

        serving = asyncio.create_task(serve())
        async with opened(stream, 1234, PATH, on_event) as session:
            yield Talk(session, devtools, events)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_an_answer_is_that_of_its_command_and_events_go_to_their_reader() -> None:
    async with talk() as it:
        it.devtools.results["Page.getLayoutMetrics"] = {"width": 3}
        it.session.send("Runtime.runIfWaitingForDebugger", {}, "S1")
        result = await it.session.ask("Page.getLayoutMetrics", {"a": 1}, "S1")
        assert msgspec.json.decode(result) == {"width": 3}
        assert it.devtools.commands == [
            {"id": 1, "method": "Runtime.runIfWaitingForDebugger", "params": {}, "sessionId": "S1"},
            {"id": 2, "method": "Page.getLayoutMetrics", "params": {"a": 1}, "sessionId": "S1"},
        ]
        it.devtools.say("Network.dataReceived", "S1", size=5)
        it.devtools.say("Target.targetCreated", name="é")
        await until(lambda: len(it.events) == 2)
        assert it.events == [
            ("Network.dataReceived", {"size": 5}, "S1"),
            ("Target.targetCreated", {"name": "é"}, ""),
        ]


async def test_answers_in_another_order() -> None:
    async with talk() as it:
        it.devtools.unanswered = {"A", "B"}
        first, second = it.session.start("A", {}), it.session.start("B", {})
        await until(lambda: len(it.devtools.commands) == 2)
        it.devtools.results = {"A": "first", "B": {"n": 2}}
        for command in reversed(it.devtools.commands):
            it.devtools.answer(command)
        assert msgspec.json.decode(await second) == {"n": 2}
        with pytest.raises(DevtoolsFailed, match="Chromium answered: first"):
            await first


async def test_errors_and_silence_are_failures() -> None:
    async with talk() as it:
        it.devtools.results["A"] = "no\nsuch thing" + "x" * 1000
        with pytest.raises(DevtoolsFailed, match=r"Chromium answered: no such thingx{187}$"):
            await it.session.ask("A", {})
        it.devtools.error_code = -32001
        with pytest.raises(TargetGone, match="Chromium answered: no such thing"):
            await it.session.ask("A", {})
        it.devtools.unanswered = {"B"}
        with pytest.raises(DevtoolsFailed, match=r"B: no answer in 0\.01 s"):
            await it.session.ask("B", {}, seconds=0.01)
        assert not it.session.ended.done()


async def test_the_end_of_the_connection_ends_what_waits() -> None:
    async with talk() as it:
        it.devtools.unanswered = {"A"}
        waiting = it.session.start("A", {})
        await until(lambda: it.devtools.commands)
        it.devtools.close()
        with pytest.raises(DevtoolsEnded, match="Chromium has ended the connection"):
            await waiting
        assert it.session.ended.done()
        it.session.send("B", {})
        with pytest.raises(DevtoolsEnded, match="Chromium has ended the connection"):
            await it.session.ask("C", {})


async def test_leaving_ends_what_waits() -> None:
    async with talk() as it:
        it.devtools.unanswered = {"A"}
        waiting = it.session.start("A", {})
    with pytest.raises(DevtoolsEnded):
        await waiting


async def test_the_end_of_a_target_ends_what_waits_for_it() -> None:
    """Chromium gives no answer then."""
    async with talk() as it:
        it.devtools.unanswered = {"A"}
        of_page, of_another = it.session.start("A", {}, "S1"), it.session.start("A", {}, "S2")
        it.devtools.say("Target.detachedFromTarget", sessionId="S1")
        with pytest.raises(TargetGone, match="the page has gone"):
            await of_page
        assert not of_another.done()
        await until(lambda: it.events)


async def test_answers_above_their_limit_fail_and_the_next_message_is_read() -> None:
    async with talk() as it:
        it.devtools.results = {
            "Small": {"data": "x" * 1000},
            "Large": {"data": "y" * (MAX_MESSAGE + 1)},
        }
        with pytest.raises(DevtoolsFailed, match="Chromium answered with 1029 bytes"):
            await it.session.ask("Small", {}, max_bytes=1028)
        with pytest.raises(DevtoolsFailed, match="Chromium answered with 4194334 bytes"):
            await it.session.ask("Large", {})
        result = await it.session.ask("Large", {}, max_bytes=2 * MAX_MESSAGE)
        assert len(msgspec.json.decode(result)["data"]) == MAX_MESSAGE + 1
        it.devtools.say("Large.event", data="z" * MAX_MESSAGE)
        assert bytes(await it.session.ask("After", {})) == b"{}"
        assert it.events == []


@pytest.mark.parametrize(
    "message",
    [
        b"not JSON",
        b"[" * 100_000,
        b'{"id":"1"}',
        b'{"id":7,"result":{}}',
        b'{"id":1,"method":5}',
        b'{"method":"Target.detachedFromTarget","params":{"sessionId":5}}',
        b'{"method":"Target.detachedFromTarget","params":{"sessionId":"\xff"}}',
        b"\xff",
    ],
)
async def test_messages_that_no_chromium_sends_change_nothing(message: bytes) -> None:
    async with talk() as it:
        it.devtools.unanswered = {"A"}
        waiting = it.session.start("A", {})
        await until(lambda: it.devtools.commands)
        it.devtools.write(message)
        it.devtools.answer(it.devtools.commands[0])
        assert bytes(await waiting) == b"{}"


@pytest.mark.parametrize(
    "frames",
    [b"\x88\x00", b"\x81\x85maskhello", b"\x81\x7f" + b"\xff" * 8, b"\x81\x7f" + bytes(3)],
)
async def test_frames_that_end_the_session(frames: bytes) -> None:
    async with stream_and_peer() as (stream, _, writer):
        writer.write(b"HTTP/1.1 101 X\r\n\r\n" + frames)
        async with opened(stream, 1, PATH, lambda *_: None) as session:
            writer.write_eof()
            await session.ended
            with pytest.raises(DevtoolsEnded):
                await session.ask("A", {})


async def test_frames_that_are_no_messages_are_passed_over() -> None:
    pong, begin, rest = b"\x8a\x01x", b"\x01\x02{}", b"\x80\x02{}"
    async with talk() as it:
        it.devtools._writer.write(pong + begin + rest)
        assert bytes(await it.session.ask("A", {})) == b"{}"
        assert it.events == []


async def test_a_handshake_that_is_refused() -> None:
    async with stream_and_peer() as (stream, _, writer):
        writer.write(b"HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\nno")
        with pytest.raises(DevtoolsFailed, match="Chromium answered with status 404"):
            async with opened(stream, 1, PATH, lambda *_: None):
                pass


async def test_a_handshake_without_an_answer() -> None:
    async with stream_and_peer() as (stream, _, writer):
        with pytest.raises(DevtoolsFailed, match=r"Chromium did not answer in 0\.01 s"):
            async with opened(stream, 1, PATH, lambda *_: None, seconds=0.01):
                pass
        writer.close()
        with pytest.raises(DevtoolsFailed, match="Chromium did not answer"):
            async with opened(stream, 1, PATH, lambda *_: None):
                pass


async def test_a_fault_of_the_reader_of_events_is_not_hidden() -> None:
    async with stream_and_peer() as (stream, _, writer):
        writer.write(b"HTTP/1.1 101 X\r\n\r\n")
        devtools = Devtools(writer)

        def on_event(method: str, params: msgspec.Raw, session: str) -> None:
            raise KeyError(method)

        with pytest.raises(KeyError, match="A"):
            async with opened(stream, 1, PATH, on_event) as session:
                devtools.say("A")
                with pytest.raises(DevtoolsEnded, match="the gateway failed"):
                    await session.ask("B", {})


async def test_no_more_commands_wait_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_ASKED", 2)
    async with talk() as it:
        it.devtools.unanswered = {"A"}
        waiting = [it.session.start("A", {}) for _ in range(2)]
        with pytest.raises(DevtoolsFailed, match="too many commands"):
            await it.session.ask("B", {})
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert bytes(await it.session.ask("B", {})) == b"{}"


async def test_halves_of_characters_are_replaced_and_pairs_are_not() -> None:
    halves = "\\ud83d\\ude00 \\uDE00 \\ud800\\uD83D\\ude00 \\ud800 \\udc00\\udc00"
    shown = "\U0001f600 \ufffd \ufffd\U0001f600 \ufffd \ufffd\ufffd"
    async with talk() as it:
        for filling in ("", "x" * 70_000):
            it.devtools.unanswered = {"A"}
            count = len(it.devtools.commands)
            waiting = it.session.start("A", {})
            await until(lambda count=count: len(it.devtools.commands) > count)  # type: ignore[misc]
            number = it.devtools.commands[-1]["id"]
            text = f'{{"id":{number},"result":{{"text":"{filling}{halves}"}}}}'
            it.devtools.write(text.encode())
            assert msgspec.json.decode(await waiting) == {"text": filling + shown}


async def test_long_messages_with_halves_are_dropped_if_nobody_asked() -> None:
    event = '{"method":"A","params":{"text":"%s\\ud800"}}'
    async with talk() as it:
        it.devtools.write((event % ("x" * 70_000)).encode())
        it.devtools.write(('{"id":99,"result":{"text":"%s\\ud800"}}' % ("x" * 70_000)).encode())
        it.devtools.write((event % "short").encode())
        await it.session.ask("B", {})
        assert it.events == [("A", {"text": "short\ufffd"}, "")]


async def test_a_target_gets_a_session() -> None:
    async with talk() as it:
        it.devtools.results["Target.attachToTarget"] = {"sessionId": "S1"}
        assert await it.session.attach("T1") == "S1"
        assert it.devtools.sent("Target.attachToTarget") == [
            ("", {"targetId": "T1", "flatten": True})
        ]
        it.devtools.results["Target.attachToTarget"] = {}
        with pytest.raises(DevtoolsFailed, match="no session"):
            await it.session.attach("T1")
        it.devtools.unanswered = {"Target.attachToTarget"}
        attaching = asyncio.create_task(it.session.attach("T1"))
        await until(lambda: len(it.devtools.commands) == 3)
        it.devtools.write(b'{"id":3,"result":{"sessionId":"\xff"}}')
        with pytest.raises(DevtoolsFailed, match="no session"):
            await attaching
        it.devtools.unanswered = set()
        it.devtools.results["Target.attachToTarget"] = {"sessionId": "S" * 64}
        assert await it.session.attach("T1") == "S" * 64
        for wrong in ("S" * 65, "", "S 1", "S\n", "\u0660"):
            it.devtools.results["Target.attachToTarget"] = {"sessionId": wrong}
            with pytest.raises(DevtoolsFailed, match="no session"):
                await it.session.attach("T1")


async def test_all_targets_of_some_types_get_sessions() -> None:
    async with talk() as it:
        it.session.attach_all(["page", "iframe"], "S1", wait=True)
        it.session.resume("S2")
        await it.session.ask("A", {})
        assert it.devtools.commands[:2] == [
            {
                "id": 1,
                "method": "Target.setAutoAttach",
                "params": {
                    "autoAttach": True,
                    "waitForDebuggerOnStart": True,
                    "flatten": True,
                    "filter": [{"type": "page"}, {"type": "iframe"}, {"exclude": True}],
                },
                "sessionId": "S1",
            },
            {"id": 2, "method": "Runtime.runIfWaitingForDebugger", "params": {}, "sessionId": "S2"},
        ]
