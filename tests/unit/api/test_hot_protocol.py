"""When a hot read is answered in the protocol, and when it gets a task."""

from __future__ import annotations

import asyncio
import random
import re
from functools import partial
from typing import Any, NamedTuple

import pytest
from starlette.types import Receive, Scope, Send

from fyke.api.hot.repeated import MAX_REQUEST_BYTES, RepeatedRequests
from fyke.api.hot.route import HotAnswer
from support.both_paths import Connection, connect

pytestmark = pytest.mark.anyio

POST = b"POST /hot HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n"
GET = b"GET /hot HTTP/1.1\r\nhost: a\r\n\r\n"
COLD = b"GET /cold HTTP/1.1\r\nhost: a\r\n\r\n"
_ID = re.compile(rb"x-request-id: \w+")
HOT_ANSWER = b"HTTP/1.1 200 OK\r\nfrom: hot\r\ncontent-length: %d\r\n\r\n%s"


class Request(NamedTuple):
    body: bytes
    request_id: str = ""


class HotPath:
    """Answers requests for ``/hot`` with their body, unless it is ``left``. With a list ``later``,
    each answer is a call in it.
    """

    later: list[Any] | None = None
    leaves = False
    asked = 0

    def __init__(self) -> None:
        self.requests = RepeatedRequests()

    def find(self, scope: Scope) -> Any:
        return scope["path"] == "/hot" or None

    def repeated(self, scheme: str, peer: str) -> RepeatedRequests:
        return self.requests

    def request(self, found: Any, scope: Scope, body: bytes) -> Any:
        return Request(body)

    def answer(self, request: Any, scope: Scope, done: Any) -> None:
        self.asked += 1
        body = request.body
        fields = b"from: hot\r\ncontent-length: %d\r\n" % len(body)
        answer = None if self.leaves or body == b"left" else HotAnswer(200, fields, body)
        scope.setdefault("admissions", []).append(body)
        if self.later is None:
            done(answer)
        else:
            self.later.append(partial(done, answer))


class Application:
    """The full path. ``bodies``: those of its requests, None for a client that has left."""

    def __init__(self) -> None:
        self.hot_path = HotPath()
        self.bodies: list[bytes | None] = []
        self.admissions: list[list[bytes]] = []  # what the path has left in each scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.admissions.append(scope.get("admissions", []))
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append(None)
                return
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        headers = [(b"from", b"full"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class Client:
    """A connection to a server with the hot path."""

    def __init__(self) -> None:
        self.app = Application()
        self.open()

    def open(self) -> None:
        """Open a new connection to the same server."""
        self.connection = Connection()
        self.protocol = connect(self.app, self.connection)

    def send(self, *pieces: bytes) -> list[bytes]:
        """Send pieces; return who has answered so far, in this order."""
        for piece in pieces:
            self.protocol.data_received(piece)
        return self.answers()

    def answers(self) -> list[bytes]:
        lines = self.connection.sent.split(b"\r\n")
        return [line[6:] for line in lines if line.startswith(b"from: ")]

    async def later(self, *pieces: bytes) -> list[bytes]:
        """Like ``send``, after all tasks have ended."""
        self.send(*pieces)
        while self.protocol.tasks:
            await asyncio.sleep(0)
        return self.answers()


@pytest.fixture
async def client() -> Client:
    return Client()


async def test_an_answer_needs_no_task(client: Client) -> None:
    assert client.send(POST + b"body") == [b"hot"]
    assert client.connection.sent == HOT_ANSWER % (4, b"body")
    assert client.send(GET) == [b"hot", b"hot"]
    assert not client.protocol.tasks
    assert await client.later(COLD) == [b"hot", b"hot", b"full"]


async def test_a_body_may_follow_its_head(client: Client) -> None:
    assert client.send(POST) == []
    assert client.send(b"bo") == []
    assert client.send(b"dy") == [b"hot"]
    assert client.send(POST, b"body") == [b"hot"] * 2


async def test_what_is_left_gets_a_task(client: Client) -> None:
    assert client.send(POST + b"left") == []
    assert await client.later() == [b"full"]
    assert await client.later(POST, b"le", b"ft") == [b"full"] * 2
    assert client.app.bodies == [b"left"] * 2


async def test_a_late_body_is_left(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.api.hot.protocol.BODY_SECONDS", 0)
    client.send(POST + b"b")
    while not client.protocol.tasks:
        await asyncio.sleep(0)
    assert await client.later(b"ody") == [b"full"]
    assert client.app.bodies == [b"body"]


async def test_a_client_that_leaves_is_seen_by_the_full_path(client: Client) -> None:
    client.send(POST + b"b")
    client.protocol.connection_lost(None)
    assert await client.later() == []
    assert client.app.bodies == [None]


async def test_requests_in_one_piece_are_answered_in_their_order(client: Client) -> None:
    """Only the first of a piece is answered without a task, so that others have their turn."""
    assert client.send(GET + COLD + POST + b"body" + GET) == [b"hot"]
    assert await client.later() == [b"hot", b"full", b"full", b"full"]
    assert client.send(COLD, GET) == [b"hot", b"full", b"full", b"full"]
    assert await client.later() == [b"hot", b"full", b"full", b"full", b"full", b"full"]


async def test_a_pipelined_body_may_follow(client: Client) -> None:
    assert client.send(GET + POST) == [b"hot"]
    client.send(b"body")
    assert await client.later() == [b"hot", b"full"]


async def test_a_client_that_does_not_read_gets_a_task(client: Client) -> None:
    """It waits until the client reads."""
    client.protocol.flow.pause_writing()
    assert client.send(GET) == []
    await asyncio.sleep(0)
    assert client.answers() == []
    client.protocol.flow.resume_writing()
    assert await client.later() == [b"full"]


async def test_a_client_may_ask_before_it_sends(client: Client) -> None:
    client.send(POST.replace(b"host", b"expect: 100-continue\r\nhost"))
    assert client.protocol.tasks
    while not client.connection.sent:
        await asyncio.sleep(0)
    assert client.connection.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert await client.later(b"body") == [b"full"]


async def test_the_connection_ends_when_it_should(client: Client) -> None:
    assert client.send(GET.replace(b"host", b"connection: close\r\nhost")) == [b"hot"]
    assert client.connection.sent.endswith(b"\r\nconnection: close\r\n\r\n")
    assert client.connection.closed


async def test_the_end_of_the_server_waits_for_the_body(client: Client) -> None:
    client.send(POST)
    client.protocol.shutdown()
    assert not client.connection.closed
    assert client.send(b"body") == [b"hot"]
    assert client.connection.closed


async def test_headers_of_the_server_come_first(client: Client) -> None:
    client.protocol.server_state.default_headers.append((b"server", b"x"))
    client.send(GET)
    assert client.connection.sent.startswith(b"HTTP/1.1 200 OK\r\nserver: x\r\nfrom: hot")


async def test_after_an_error_of_the_parser_nothing_is_answered(client: Client) -> None:
    client.send(GET + b"\0\r\n\r\n")
    assert client.connection.closed
    assert await client.later() == []
    assert client.app.bodies == [b""]


async def test_an_answer_may_come_later(client: Client) -> None:
    """Meanwhile neither the rest of the connection nor the time for the body matters."""
    client.app.hot_path.later = later = []
    assert client.send(POST, b"bo") == []
    assert client.send(b"dy") == []
    assert client.protocol._body_timer is None
    client.send(COLD)
    assert len(later) == 1
    later.pop()()
    assert client.answers() == [b"hot"]
    assert await client.later() == [b"hot", b"full"]
    client.send(POST + b"left")
    later.pop()()
    assert await client.later() == [b"hot", b"full", b"full"]


async def test_a_client_that_leaves_before_its_answer_gets_none(client: Client) -> None:
    client.app.hot_path.later = later = []
    client.send(POST + b"body")
    client.protocol.connection_lost(ConnectionResetError())
    later.pop()()
    assert await client.later() == []
    assert client.app.bodies == [None]


@pytest.mark.parametrize("before", [COLD, GET], ids=["full path", "hot path"])
async def test_a_pipelined_request_without_its_body_has_a_task(
    client: Client, before: bytes
) -> None:
    """The task waits for the body for a limited time."""
    client.send(before + POST)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(client.answers()) == 1
    client.protocol.connection_lost(None)
    await client.later()
    assert client.app.bodies[-1] is None


async def test_a_repeated_request_is_not_parsed(client: Client) -> None:
    for piece in (GET, POST + b"body"):
        client.open()
        client.send(piece)
        first, client.connection.sent = client.connection.sent, b""
        client.protocol.parser = None
        for _ in range(3):
            client.send(piece)
        assert client.connection.sent == first * 3
        assert not client.protocol.tasks
        assert client.protocol.server_state.total_requests == 4


async def test_a_repeated_request_that_is_left_gets_a_task(client: Client) -> None:
    client.send(POST + b"body", GET)
    client.app.hot_path.leaves = True
    assert await client.later(POST + b"body", COLD) == [b"hot"] * 2 + [b"full"] * 2
    assert client.app.admissions == [[b"body"], []]  # none for the next request
    assert client.app.hot_path.asked == 3  # once each


async def test_a_repeated_request_has_the_headers_of_its_moment(client: Client) -> None:
    client.send(GET)
    client.protocol.server_state.default_headers = [(b"date", b"now")]
    client.send(GET)
    assert client.connection.sent.endswith(
        b"HTTP/1.1 200 OK\r\ndate: now\r\nfrom: hot\r\ncontent-length: 0\r\n\r\n"
    )


async def test_what_is_not_kept(client: Client) -> None:
    requests = client.app.hot_path.requests
    for pieces in (
        [POST + b"left"],
        [COLD],
        [POST, b"body"],
        [GET[:9], GET[9:]],
        [GET + GET],
        [GET + GET[:9]],
        [GET.replace(b"1.1", b"1.0")],
        [GET.replace(b"host", b"connection: close\r\nhost")],
        [GET.replace(b"a\r", b"a" * MAX_REQUEST_BYTES + b"\r")],
    ):
        client.open()
        await client.later(*pieces)
        assert not any(requests.get(piece) for piece in (*pieces, b"".join(pieces)))


async def test_a_repeated_request_waits_for_the_answer_before(client: Client) -> None:
    client.send(GET)
    assert client.send(COLD, GET) == [b"hot"]
    assert await client.later() == [b"hot", b"full", b"full"]
    client.protocol.flow.pause_writing()
    assert len(client.send(GET)) == 3
    client.protocol.flow.resume_writing()
    assert len(await client.later()) == 4
    client.protocol.shutdown()
    assert len(await client.later(GET)) == 4


async def test_any_pieces_of_any_requests_are_answered_as_by_the_parser() -> None:
    """Against a server that keeps no request."""
    plain, client = Client(), Client()
    plain.app.hot_path.requests.put = lambda *kept: None  # type: ignore[method-assign]
    absolute = GET.replace(b"/hot", b"http://a/hot")
    others = [COLD, GET + GET, b"\r\n", absolute, GET[:-2], POST, b"CONNECT a:1" + GET[8:]]
    others += [GET.replace(b"1.1", b"1.0"), GET.replace(b"GET", b"HEAD"), POST + b"left", b"U"]
    draw, repeated = random.Random(99), 0
    for _ in range(400):
        if plain.connection.closed or draw.random() < 0.02:
            plain.open()
            client.open()
        piece = draw.choice((GET, GET, POST + b"body", absolute, draw.choice(others)))
        if draw.random() < 0.1:
            piece = piece[: draw.randrange(1, len(piece) + 1)]
        parsed = client.protocol.cycle
        client.send(piece)
        repeated += parsed is client.protocol.cycle
        plain.send(piece)
        while draw.random() < 0.8 and (plain.protocol.tasks or client.protocol.tasks):
            await asyncio.sleep(0)
        sent = [_ID.sub(b"", each.connection.sent) for each in (client, plain)]
        assert sent[0] == sent[1]
        assert client.connection.closed == plain.connection.closed
        assert client.app.bodies == plain.app.bodies
    assert repeated > 50
