"""Requests to this machine get the answers and errors that they get with httpx2."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import httpx2
import pytest

from fyke_client import ApiError, ClientError, Unreachable
from fyke_client._config import server_from
from fyke_client._loopback import is_plain
from fyke_client._requests import Request
from fyke_client._sync.connection import Connection
from fyke_client._sync_http import Http

OK = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nX-Fyke-Error: k\r\n\r\n"
BODY = b'{"code":0,"message":"success","data":{"a":"\xc3\xa4"}}'
REFUSED = b'{"code":4290,"message":"Too many","data":null,"details":["a","b"]}'

ANSWERS = {
    "an answer": OK % len(BODY) + BODY,
    "an answer in chunks": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    ),
    "an answer that ends with the connection": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "an error": (
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nx-request-id: r1\r\nX-Fyke-Error: rate\r\n"
        b"content-length: %d\r\n\r\n" % len(REFUSED) + REFUSED
    ),
    "no envelope": OK % 6 + b"<html>",
    "another code": OK % 40 + b'{"code":5000,"message":"x","data":null} ',
}
BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "half of an answer": OK % 1000 + BODY,
}


@contextmanager
def server_that_sends(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """An address and the requests that were read there; each request gets ``answer``."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                requests.append(_request(connection))
                connection.sendall(answer)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-le")),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except ApiError as error:
        return (*vars(error).items(),)
    except ClientError as error:
        return type(error), str(error)


def connected(
    url: str, key: str = "", timeout: float = 10, transport: httpx2.BaseTransport | None = None
) -> Connection:
    return Connection(Http(server_from(url, key, timeout), transport), retries=0)


def both(url: str) -> list[Connection]:
    return [
        connected(url, "secret"),
        connected(url, "secret", transport=httpx2.HTTPTransport()),
    ]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_answers_are_the_same(answer: bytes) -> None:
    with server_that_sends(answer) as (url, _):
        ours, with_httpx = [outcome(lambda c=c: c.data(Request("GET", "/x"))) for c in both(url)]
    assert ours == with_httpx


@pytest.mark.parametrize("answer", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_answer_is_unreachable(answer: bytes) -> None:
    with server_that_sends(answer) as (url, _):
        for connection in both(url):
            with pytest.raises(Unreachable, match=f"{url} cannot be reached: ."):
                connection.data(Request("GET", "/x"))


def test_requests_are_the_same() -> None:
    # without the header, httpx2 may send the next request while the server closes the connection
    answer = ANSWERS["an answer"].replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
    with server_that_sends(answer) as (url, requests):
        for connection in both(url):
            connection.get("/a%2Fb", dict, {"text": "a b&c=ä", "number": 7, "empty": ""})
            connection.get("/plain", dict, {})
            connection.post("/x", dict, {"a": "ä"})
            connection.delete("/x", dict)
    assert len(requests) == 8
    for ours, with_httpx in zip(requests[:4], requests[4:], strict=True):
        assert ours.split(b"\r\n")[0].replace(b"+", b"%20") == with_httpx.split(b"\r\n")[0].replace(
            b"+", b"%20"
        )
        assert ours.partition(b"\r\n\r\n")[2] == with_httpx.partition(b"\r\n\r\n")[2]
        for header in (b"authorization", b"content-type", b"host"):
            assert _header(ours, header) == _header(with_httpx, header)


def _header(request: bytes, name: bytes) -> list[bytes]:
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [
        value for key, _, value in (line.partition(b": ") for line in lines) if key.lower() == name
    ]


def test_a_server_that_does_not_answer_in_time_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for transport in (None, httpx2.HTTPTransport()):
            with pytest.raises(Unreachable, match=r"did not answer within 0\.05 s"):
                connected(url, "", 0.05, transport).data(Request("GET", "/x"))


def test_a_port_without_a_server_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    ours, with_httpx = [outcome(lambda c=c: c.data(Request("GET", "/x"))) for c in both(url)]
    assert ours == with_httpx


def test_a_header_that_cannot_be_sent_is_unreachable() -> None:
    request = Request("GET", "/x", {"x-header": "a\nb"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        for connection in both(f"http://127.0.0.1:{server.getsockname()[1]}"):
            with pytest.raises(Unreachable) as caught:
                connection.data(request)
            assert not caught.value.temporary


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://127.0.0.1:8100", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:8100", True),
        ("http://localhost:8100", True),
        ("http://LOCALHOST:8100", True),
        ("https://127.0.0.1:8100", False),
        ("http://user:word@127.0.0.1:8100", False),
        ("http://127.0.0.1:8100/fyke", False),
        ("http://127.0.0.1:99999", False),
        ("http://fyke.test:8100", False),
        ("http://192.0.2.1", False),
        ("nonsense", False),
    ],
)
def test_which_servers_are_asked_without_httpx(url: str, plain: bool) -> None:
    assert is_plain(url) == plain


def test_a_refusal_before_the_whole_body_is_read_arrives() -> None:
    answer = ANSWERS["an error"]
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    thread = Thread(target=refuse)
    thread.start()
    connection = connected(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with listener, pytest.raises(ApiError) as caught:
        connection.post("/x", dict, {"a": "x" * 5_000_000})
    thread.join()
    assert caught.value.status == 429
