"""Messages between a client and Chromium, answers of the gateway, and back-pressure."""

from __future__ import annotations

import asyncio
import json

import pytest

from fyke.browser.dialogs import Ask
from fyke.browser.event_reader import EventReader
from fyke.browser.messages import Noted
from fyke.browser.relay import MAX_OWN, MessageRelay
from fyke.browser.websocket import client_frame, text_frame
from support.browser_hosts import until
from support.browser_place import (
    ATTEMPT,
    UPGRADE,
    Chromium,
    masked,
    place,
    read_message,
)

pytestmark = pytest.mark.anyio


async def test_captchas_and_files_are_answered_by_the_gateway() -> None:
    async with place() as gateway:
        await gateway.attached(Chromium())
        client = await gateway.websocket()
        for number in (1, 2):
            await client.say({"id": number, "method": "Captchas.automaticSolver"})
            assert await client.hear() == {
                "id": number,
                "result": {"status": False, "message": "this Fyke solves no captchas"},
            }
        await client.say({"id": 3, "method": "Page.navigate", "params": {"url": "file:///"}})
        answer = await client.hear()
        assert isinstance(answer, dict)
        assert answer["error"]["message"] == "the browser opens no files"
        params = {"files": ["/work/a.pdf"]}
        await client.say({"id": 4, "method": "DOM.setFileInputFiles", "params": params})
        answer = await client.hear()
        assert isinstance(answer, dict)
        assert "not its path" in answer["error"]["message"]
        await client.say({"id": 5})
        assert await client.hear() == {"id": 5}
        notes = [notice.code for notice in gateway.notices if isinstance(notice, Noted)]
        assert notes == ["captchas", "file_url", "file_path"]


async def test_our_answer_waits_for_the_end_of_a_message() -> None:
    async with place() as gateway:
        go_on = asyncio.Event()
        whole = text_frame(b'{"from": "Chromium"}')

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(whole[:10])
            await go_on.wait()
            writer.write(whole[10:])
            await reader.read()

        await gateway.attached(Chromium(serve_socket=half))
        client = await gateway.websocket()
        assert await client.reader.readexactly(10) == whole[:10]
        await client.say({"id": 1, "method": "Captchas.automaticSolver"})
        await until(lambda: any(isinstance(notice, Noted) for notice in gateway.notices))
        go_on.set()
        assert await client.reader.readexactly(len(whole) - 10) == whole[10:]
        answer = await client.hear()
        assert isinstance(answer, dict)
        assert answer["id"] == 1


async def test_our_command_waits_for_the_end_of_a_message_and_its_answer_is_ours() -> None:
    async with place() as gateway:
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                heard.put_nowait(message := await read_message(reader))
                number = json.loads(message)["id"]
                writer.write(text_frame(b'{"id":%d,"result":{},"sessionId":"S"}' % number))

        await gateway.attached(Chromium(serve_socket=answering))
        relays: list[MessageRelay] = []
        connected = EventReader.connected

        def keep(reader: EventReader, ask: Ask) -> None:
            relays.append(ask.__self__)  # type: ignore[attr-defined]  # a method of the relay
            connected(reader, ask)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EventReader, "connected", keep)
            client = await gateway.websocket()
            await client.say({"id": 1})
            assert (await client.hear())["id"] == 1
        [relay] = relays
        large = client_frame(json.dumps({"id": 2, "x": "x" * 100_000}).encode())
        client.writer.write(large[:50_000])
        await until(lambda: not relay._up.between_messages)
        relay.ask("Page.handleJavaScriptDialog", {"accept": True}, "S")
        for _ in range(MAX_OWN):
            relay.ask("Another", {}, "")  # the last one is too much
        client.writer.write(large[50_000:])
        for number in (2, 3):
            await client.say({"id": number}) if number == 3 else None
            assert (await client.hear())["id"] == number
        methods = [json.loads(heard.get_nowait()).get("method") for _ in range(heard.qsize())]
        ours = ["Page.handleJavaScriptDialog", *["Another"] * (MAX_OWN - 1)]
        assert [one for one in methods if one] == ours
        assert methods[:3] == [None, None, ours[0]]
        assert relay._own == set()
        await client.say({"id": 2_147_000_000})  # the client may have such numbers
        assert (await client.hear())["id"] == 2_147_000_000


async def test_an_impossible_frame_ends_the_connection() -> None:
    async with place() as gateway:
        await gateway.attached(Chromium())
        client = await gateway.websocket()
        client.writer.write(bytes([0x81, 0xFF]) + b"\xff" * 12)
        with pytest.raises(ConnectionError):
            assert await client.reader.read() == b""
            raise ConnectionResetError


async def test_a_client_that_does_not_read_stalls_only_itself() -> None:
    """Chromium sends without end: the gateway keeps little of it, and serves others meanwhile."""
    async with place() as gateway:
        sent = 0
        stalled = asyncio.Event()

        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            block = text_frame(b"x" * 65_000)
            if b"flood" not in await read_message(reader):
                return
            while True:
                writer.write(block)
                sent += len(block)
                try:
                    async with asyncio.timeout(0.3):
                        await writer.drain()
                except TimeoutError:
                    stalled.set()
                    await reader.read()
                    return

        await gateway.attached(Chromium(serve_socket=flood, bodies={"/json/list": b"[]"}))
        client = await gateway.connect()
        client.writer.transport.pause_reading()
        await client.ask("GET", "/", UPGRADE)
        client.writer.write(masked(b"flood"))
        await stalled.wait()
        assert sent < 64 * 2**20  # what the buffers of the kernel take as well
        attempt = gateway.gateway._attempts[ATTEMPT]
        [stream] = attempt._connections.values()
        assert stream._transport is not None
        assert stream._transport.get_write_buffer_size() < 2**20
        assert (await gateway.get("/json/list"))[::2] == (200, b"[]")


async def test_many_questions_without_reading_end_the_connection() -> None:
    """Answers of the gateway itself are bounded too."""
    async with place() as gateway:

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(text_frame(b"x" * 1000)[:-1])  # never between two messages
            while await reader.read(65536):
                pass

        await gateway.attached(Chromium(serve_socket=silent))
        client = await gateway.websocket()
        question = masked(b'{"id": 1, "method": "Captchas.automaticSolver"}')
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                client.writer.write(question * 100)
                await client.writer.drain()


async def test_many_tiny_frames_leave_time_for_other_connections() -> None:
    async with place() as gateway:
        received = 0

        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal received
            while data := await reader.read(65536):
                received += len(data)

        await gateway.attached(Chromium(serve_socket=count))
        client = await gateway.websocket()
        [stream] = gateway.gateway._attempts[ATTEMPT]._connections.values()
        frames = bytes([0x81, 0x80, 0, 0, 0, 0]) * 50_000
        turns = 0
        stream.data_received(frames)  # at once, as a large buffer of the kernel gives them
        while received < len(frames):
            turns += 1
            await asyncio.sleep(0)
        assert turns >= len(frames) // 16_384
        client.writer.close()
