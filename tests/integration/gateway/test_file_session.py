"""Files by HTTP from a real gateway: only to their node, by URLs that expire, within limits."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h11
import pytest
from structlog.testing import capture_logs

from fyke.domain.runs.last_pages import page_blob
from fyke.errors import InvalidRequest
from fyke.gateway import file_session
from fyke.gateway.file_urls import BadFileUrl, FileGrant, FileSigner
from fyke.kit.clock import SystemClock
from fyke.kit.tls import client_context
from fyke.link.files import RemoteFiles
from fyke.model.last_page import PageFileKind
from fyke.model.node import GATEWAY_HOST
from fyke.wire.nodes import FILES_ALPN, FileUrl
from support.app import open_app
from support.egress import until
from support.remote_nodes import OWN, RemoteNode, open_remote

pytestmark = pytest.mark.anyio

DATA = os.urandom(1_500_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[RemoteNode]:
    async with open_app(tmp_path, templates) as app, open_remote(app, tmp_path / "b") as place:
        await place.blobs.put(f"bundles/{DIGEST}", DATA)
        place.places.owners = {OWN: DIGEST, "V1": DIGEST}
        yield place


class HttpEnd:
    """A client that keeps no rules."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> bytes:
        """All that is received until the end."""
        received = b""
        try:
            while data := await self.reader.read(2**16):
                received += data
        except ConnectionError:
            pass
        self.writer.transport.abort()
        return received


async def opened(place: RemoteNode, *, own: Any = "node", **options: Any) -> HttpEnd:
    context = client_context(
        place.joined.authority, place.joined.own if own == "node" else own, [FILES_ALPN]
    )
    reader, writer = await asyncio.open_connection(
        *place.gateway.address, ssl=context, server_hostname=GATEWAY_HOST, **options
    )
    return HttpEnd(reader, writer)


async def status_of(place: RemoteNode, head: str, body: bytes = b"", **options: Any) -> int:
    """The status of the answer; 0 when there is none."""
    end = await opened(place, **options)
    end.writer.write(head.encode() + b"\r\nhost: x\r\n\r\n" + body)
    answer = await end.answer()
    return int(answer.split()[1]) if answer else 0


def grant(place: RemoteNode, method: Any = "GET", **changes: Any) -> FileGrant:
    identity = place.identity
    values = {
        "method": method,
        "name": f"bundles/{DIGEST}",
        "node": identity.name,
        "join_id": identity.join_id,
        "expires_at": SystemClock().now_ms() + 60_000,
        "most": 1000,
    }
    return FileGrant(**values | changes)


def path(place: RemoteNode, method: Any = "GET", **changes: Any) -> str:
    return place.signer.path(grant(place, method, **changes))


# --- who may have what -------------------------------------------------------------------------


async def test_a_url_is_for_one_node_one_method_and_some_minutes(place: RemoteNode) -> None:
    assert await status_of(place, f"GET {path(place)} HTTP/1.1") == 200
    now = SystemClock().now_ms()
    refused = {
        path(place, node="n2"): 403,
        path(place, join_id="01OTHER"): 403,
        path(place, expires_at=now - 1): 403,
        path(place)[:-2] + "AA": 403,
        "/files/x": 403,
        "/": 403,
        "/files/" + "x" * 5000: 403,
        path(place, "PUT"): 405,
        path(place, name="bundles/gone"): 404,
    }
    for target, status in refused.items():
        assert await status_of(place, f"GET {target} HTTP/1.1") == status, target
    for method in ("PUT", "DELETE", "HEAD"):
        assert await status_of(place, f"{method} {path(place)} HTTP/1.1") == 405


async def test_a_url_of_another_node_is_refused(place: RemoteNode) -> None:
    other = await place.join("n2")
    target = path(place)
    assert await status_of(place, f"GET {target} HTTP/1.1", own=other.own) == 403
    place.joined = other
    assert await status_of(place, f"GET {path(place)} HTTP/1.1") == 200


async def test_without_the_certificate_of_a_node_nothing_is_served(place: RemoteNode) -> None:
    assert await status_of(place, f"GET {path(place)} HTTP/1.1", own=None) == 0
    assert place.file_sessions.served == 0


async def test_a_gateway_accepts_urls_of_others_of_its_installation(place: RemoteNode) -> None:
    signed = grant(place)
    assert FileSigner(b"master").read(place.signer.path(signed)) == signed
    with pytest.raises(BadFileUrl):
        FileSigner(b"another").read(place.signer.path(signed))


# --- limits ------------------------------------------------------------------------------------


async def put(place: RemoteNode, body: bytes, *, length: int | None = None) -> bytes:
    """The answer to a PUT of at most 1000 bytes, whose body ends with the connection."""
    end = await opened(place)
    head = f"PUT {path(place, 'PUT', name='pages/a.har')} HTTP/1.1\r\nhost: x\r\n"
    if length is not None:
        head += f"content-length: {length}\r\n"
    end.writer.write(head.encode() + b"\r\n" + body)
    if length is not None and len(body) < length <= 1000:
        await end.writer.drain()
        end.writer.close()
    return await end.answer()


@pytest.mark.parametrize(
    ("length", "sent", "status"),
    [(1000, 1000, 200), (0, 0, 200), (1001, 1001, 413), (10**15, 10, 413), (None, 0, 411)],
)
async def test_what_is_written_has_a_size(
    place: RemoteNode, length: int | None, sent: int, status: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(file_session, "LINGER_SECONDS", 0.1)
    answer = await put(place, b"x" * sent, length=length)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert await place.blobs.exists("pages/a.har") == (status == 200)


async def test_a_body_that_ends_early_is_not_stored(place: RemoteNode) -> None:
    await put(place, b"x" * 999, length=1000)
    await until(lambda: not place.file_sessions._open)
    assert not await place.blobs.exists("pages/a.har")


async def test_a_body_without_a_length_is_refused(place: RemoteNode) -> None:
    end = await opened(place)
    head = f"PUT {path(place, 'PUT')} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    end.writer.write(head.encode() + b"5\r\nabcde\r\n0\r\n\r\n")
    assert b"411" in await end.answer()


async def test_a_client_that_waits_for_leave_to_write_gets_it(place: RemoteNode) -> None:
    end = await opened(place)
    head = f"PUT {path(place, 'PUT', name='pages/a.har')} HTTP/1.1\r\nhost: x\r\n"
    end.writer.write(head.encode() + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n")
    assert b"100" in await end.reader.readline()
    end.writer.write(b"abc")
    assert b"200" in await end.answer()
    assert await place.blobs.get("pages/a.har") == b"abc"


async def test_a_slow_writer_is_ended(place: RemoteNode, monkeypatch: Any) -> None:
    monkeypatch.setattr(file_session, "IDLE_SECONDS", 0.1)
    end = await opened(place)
    head = f"PUT {path(place, 'PUT', name='pages/a.har')} HTTP/1.1\r\nhost: x\r\n"
    end.writer.write(head.encode() + b"content-length: 1000\r\n\r\nabc")
    assert await end.answer() == b""
    assert not await place.blobs.exists("pages/a.har")


async def test_a_silent_client_is_ended(place: RemoteNode, monkeypatch: Any) -> None:
    monkeypatch.setattr(file_session, "HEAD_SECONDS", 0.1)
    end = await opened(place)
    assert await end.answer() == b""
    await until(lambda: not place.file_sessions._open)


async def test_a_slow_reader_is_ended_and_takes_little_memory(
    place: RemoteNode, monkeypatch: Any
) -> None:
    monkeypatch.setattr(file_session, "IDLE_SECONDS", 0.3)
    large = os.urandom(2**20) * 32
    await place.blobs.put("bundles/large", large)
    read = 0
    whole = place.blobs.get_stream

    async def counted(name: str) -> Any:
        nonlocal read
        async for chunk in whole(name):
            read += len(chunk)
            yield chunk

    monkeypatch.setattr(place.blobs, "get_stream", counted)
    end = await opened(place, limit=1024)
    end.writer.write(
        f"GET {path(place, name='bundles/large')} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    )
    await end.reader.readline()
    await until(lambda: not place.file_sessions._open)
    assert 0 < read < len(large) / 2
    end.writer.transport.abort()


async def test_a_large_head_is_refused(place: RemoteNode) -> None:
    with capture_logs() as logged:
        assert await status_of(place, f"GET {path(place)} HTTP/1.1\r\nx: {'y' * 70_000}") == 0
        await until(lambda: not place.file_sessions._open)
    [error] = [line["error"] for line in logged if line["event"] == "file_not_transferred"]
    assert "too long" in error


async def test_bytes_of_another_protocol_end_the_connection(place: RemoteNode) -> None:
    end = await opened(place)
    with capture_logs() as logged:
        end.writer.write(b"\x16\x03\x01\x00\xff\r\n\r\n" * 20)
        assert await end.answer() == b""
        await until(lambda: not place.file_sessions._open)
    [error] = [line["error"] for line in logged if line["event"] == "file_not_transferred"]
    assert "illegal request line" in error


async def test_a_node_has_few_transfers_at_a_time(place: RemoteNode, monkeypatch: Any) -> None:
    monkeypatch.setattr(file_session, "MAX_OF_NODE", 2)
    other = await place.join("n2")
    first, _second = await opened(place), await opened(place)
    await until(lambda: len(place.file_sessions._open) == 2)
    target = path(place)
    assert await status_of(place, f"GET {target} HTTP/1.1") == 0
    assert await status_of(place, f"GET {target} HTTP/1.1", own=other.own) == 403
    first.writer.transport.abort()
    await until(lambda: len(place.file_sessions._open) == 1)
    assert await status_of(place, f"GET {target} HTTP/1.1") == 200


async def test_one_request_is_served_on_a_connection(place: RemoteNode) -> None:
    end = await opened(place)
    end.writer.write(f"GET {path(place)} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * 2)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(await end.answer())
    received = []
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Event)
        received.append(event)
    assert b"".join(bytes(e.data) for e in received if isinstance(e, h11.Data)) == DATA
    assert client.trailing_data[0] == b""


async def test_a_file_that_is_larger_than_it_was_said_is_refused(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    files = remote.files
    assert isinstance(files, RemoteFiles)
    name = page_blob(OWN.id, PageFileKind.HTML)
    file = FileUrl(path(place, "PUT", name=name, most=1000))
    with pytest.raises(InvalidRequest, match="more than 1000 bytes"):
        await files._store(file, bytes(5 * 2**20))
    assert not await place.blobs.exists(name)
    await files._store(file, bytes(1000))
    assert await place.blobs.size(name) == 1000
