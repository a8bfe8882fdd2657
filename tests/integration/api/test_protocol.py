"""Limits on the size, number of fields and time of request heads, with raw sockets and a real
server.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.api.protocol import LimitedProtocol
from support.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), templates) as server:
        yield server


BOTH = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n0\r\n\r\n"


def _connect(server: Served) -> socket.socket:
    host, _, port = server.base_url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), 20)


def _all(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass  # the server closed the connection during the request
    return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        # a body with two lengths: a proxy in front of the server may use the other one
        BOTH % b"Transfer-Encoding: chunked\r\nContent-Length: 3",
        BOTH % b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        BOTH % b"Content-Length: 3\r\nContent-Length: 5",
        BOTH % b"Transfer-Encoding: identity, chunked\r\nContent-Length: 3",
        BOTH % b"Transfer-Encoding: chunked, identity",
        BOTH % b"Transfer-Encoding : chunked",
        b"GET /healthz HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(101)) + b"\r\n",
    ],
)
def test_malformed_requests_get_an_envelope(server: Served, request_bytes: bytes) -> None:
    with _connect(server) as connection:
        connection.sendall(request_bytes)
        head, _, body = _all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["code"] == 4000


@pytest.mark.parametrize(
    ("head", "limit"),
    [
        (b"GET /healthz?x=" + b"x" * 70_000 + b" HTTP/1.1\r\n", "the head must be at most 64 KiB"),
        (b"GET /healthz HTTP/1.1\r\nx: " + b"y" * 300_000, "the head must be at most 64 KiB"),
        (
            b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n",
            "the head must have at most 100 fields",
        ),
    ],
)
def test_a_head_beyond_a_limit_is_refused_with_the_limit(
    server: Served, head: bytes, limit: str
) -> None:
    with _connect(server) as connection:
        connection.sendall(head)
        answer = _all(connection).partition(b"\r\n\r\n")[2]
    assert json.loads(answer)["details"] == [limit]


BAD_LENGTH = b" HTTP/1.1\r\nHost: localhost\r\nx-request-id: mine-1\r\nContent-Length: x\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "second"),
    [
        ([b"GET /api/v2/users/me" + BAD_LENGTH], True),
        ([b"GET http://localhost/api/v2/users/me?a=/b" + BAD_LENGTH], True),
        ([b"GET /api/%762/users/me" + BAD_LENGTH], True),
        ([b"GET /ap", b"i/v2/users/me" + BAD_LENGTH], True),
        ([b"get /api/v2/users/me" + BAD_LENGTH], True),
        ([b"GET /api/v2/workers/caf\xc3\xa9" + BAD_LENGTH], True),
        ([b"GET /api/v2/users/me" + b"x" * 70_000], True),
        ([b"GET /api/v1/account/info" + BAD_LENGTH], False),
        ([b"GET /?/api/v2/" + BAD_LENGTH], False),
        ([b"/api/v2/users/me\r\n\r\n"], False),
        # an earlier request on the connection does not decide the form of the next error
        ([b"GET /api/v2/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", b"nonsense\r\n\r\n"], False),
    ],
)
def test_a_head_that_is_refused_is_answered_in_the_dialect_of_its_path(
    server: Served, pieces: list[bytes], second: bool
) -> None:
    with _connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(pieces[0])
        if pieces[0].endswith(b"\r\n\r\n") and len(pieces) > 1:
            answer = b""
            while not answer.endswith(b'"details":null}'):  # head and body may arrive separately
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 404 ")
        for piece in pieces[1:]:
            connection.sendall(piece)
        head, _, body = _all(connection).partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    headers = dict(field.split(": ") for field in fields)
    assert status == "HTTP/1.1 400 Bad Request"
    assert (headers["connection"], int(headers["content-length"])) == ("close", len(body))
    decoded = json.loads(body)
    assert headers["x-request-id"]
    if second:
        assert list(decoded) == ["code", "message", "request_id", "details"]
        assert (decoded["code"], decoded["request_id"]) == (11000, headers["x-request-id"])
        assert decoded["message"] == f"invalid argument: {decoded['details'][0]}"
    else:
        assert (decoded["code"], decoded["data"]) == (4000, None)
        assert "request_id" not in decoded


def test_a_refused_head_keeps_the_host_name_of_its_client(server: Served) -> None:
    with _connect(server) as connection:
        connection.sendall(b"GET /api/v2/users/me" + BAD_LENGTH)
        answer = _all(connection)
    assert b"\r\nx-request-id: mine-1\r\n" in answer
    assert b'"request_id":"mine-1"' in answer


def test_an_endless_head_is_disconnected(server: Served) -> None:
    sent = 0
    with _connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nx: ")
        try:
            while sent < 50 * 2**20:
                sent += connection.send(b"a" * 8192)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 16 * 2**20


@pytest.mark.slow
def test_a_slow_head_is_disconnected_and_others_are_served(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LimitedProtocol, "head_seconds", 0.2)
    silent = [_connect(server) for _ in range(20)]
    for connection in silent[:10]:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
    with _connect(server) as quick:
        quick.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert _all(quick).startswith(b"HTTP/1.1 200 ")
    for connection in silent:
        with connection:
            assert _all(connection) == b""


def test_large_bodies_and_kept_alive_connections_are_not_heads(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"run_slug": "x", "pad": "p" * 300_000}).encode()
    request = (
        b"POST /api/v1/run/detail HTTP/1.1\r\nHost: localhost\r\napi-key: "
        + server.app.owner_key.encode()
        + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    with _connect(server) as connection:
        for _ in range(3):
            connection.sendall(request)
            answer = b""
            while b'"data":null}' not in answer:
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 404 ")


OFFERS = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
)


def _offering(server: Served, body: bytes, length: bytes) -> bytes:
    key = server.app.owner_key.encode()
    return (
        b"POST /api/v1/run/detail HTTP/1.1\r\nHost: localhost\r\napi-key: " + key + b"\r\n"
        + OFFERS + length + b"\r\n" + body
    )  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 10_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upgrade_is_ignored_without_losing_the_body(
    server: Served, size: int, chunked: bool
) -> None:
    """Java's client sends such an upgrade. In chunks of every size; the connection stays usable."""
    body = b'{"run_slug":"nobody","text":"\\nupgrade: "}'
    if chunked:
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        request = _offering(server, sent, b"Transfer-Encoding: chunked\r\n")
    else:
        request = _offering(server, body, b"Content-Length: %d\r\n" % len(body))
    with _connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for at in range(0, len(request), size):
                connection.sendall(request[at : at + size])
            answer = b""
            while b'"data":null}' not in answer:
                piece = connection.recv(65536)
                assert piece, answer
                answer += piece
            assert answer.startswith(b"HTTP/1.1 404 ")
            assert b"Run record does not exist" in answer


@given(st.data())
def test_only_the_name_of_the_upgrade_field_changes_however_the_bytes_arrive(
    data: st.DataObject,
) -> None:
    head = b"POST / HTTP/1.1\r\nUpgrade: h2c\r\nup: 1\r\nupgraded: 2\r\nUPGRADE: x\r\n"
    request = head + b"\r\n" + b"a\nupgrade: body\nup"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(request)), max_size=12)))
    protocol = LimitedProtocol.__new__(LimitedProtocol)
    out, fed = b"", 0
    for begin, end in zip([0, *cuts], [*cuts, len(request)], strict=True):
        # bytes after the blank line are not part of the head and are not inspected
        part = request[begin:end]
        out += protocol._without_upgrade(part) if fed <= len(head) else part
        fed = end
    expected = request[: len(head)].replace(b"Upgrade:", b"x-upgrade-not-taken:")
    expected = expected.replace(b"UPGRADE:", b"x-upgrade-not-taken:") + request[len(head) :]
    assert out == expected
