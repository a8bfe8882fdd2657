"""Admits a request for a hot read and sends its answer, or leaves it to the full path.

The middleware, the router and the generic reading of members cost several times more than reading
the state of a run. This path does the same steps in the same order with the same functions: Host,
rate limit and key, scope, body, read. It answers only success and "not modified". Whatever it does
not answer, an error included, is left to the full path, which takes over the admission and the body
that was read, so that nothing is counted or recorded twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from time import perf_counter
from typing import Any, cast

import structlog
from starlette.types import Message, Receive, Scope, Send

from fyke.api.auth import INSIDE, RATE_FIELDS, AccessControl
from fyke.api.decode import MAX_BODY_SECONDS
from fyke.api.errors import Refusal
from fyke.api.etags import matches
from fyke.api.hot.kept import Encoded
from fyke.api.hot.route import Asked, HotRead, HotRoute
from fyke.api.network import Network, header
from fyke.api.serving import Operation
from fyke.api.transport import Headers, log_request, request_id_for
from fyke.api.v2.run_selector import ONE_RUN
from fyke.contracts.inline import NotInline
from fyke.errors import FykeError
from fyke.kit.ids import is_ulid

log = structlog.get_logger("fyke.api")

MAX_BODY = 1024  # bytes; much larger ones count as several requests
_DIGITS = 5  # fewer have a length that fits
_RUNS = ONE_RUN.partition("{")[0]
# of a body without a declared length, and of one that is refused
_UNUSUAL = frozenset({b"transfer-encoding", b"content-encoding"})


class HotPath:
    """See the module's docstring."""

    def __init__(
        self,
        reads: Iterable[HotRead],
        operations: Sequence[Operation],
        network: Network,
        access: AccessControl,
        hsts: Headers,
    ) -> None:
        declared = {(operation.method, operation.path): operation for operation in operations}
        self._exact: dict[tuple[str, str], HotRoute] = {}
        self._of_run: dict[tuple[str, str], HotRoute] = {}  # by what follows the id of the run
        for read in reads:
            route = HotRoute(read, declared[read.method, read.path], hsts)
            routes = self._of_run if read.path.startswith(ONE_RUN) else self._exact
            routes[read.method, read.path.removeprefix(ONE_RUN)] = route
        self._network = network
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Answer the request and return None, or return the ``receive`` for the full path."""
        started = perf_counter()
        route, run_id = self._find(scope)
        if route is None or (route.has_body and not _has_small_body(scope)):
            return receive
        try:
            visit = self._network.visit(scope)
        except Refusal:
            return receive
        scope["route"] = route.operation
        caller = await self._access.admit(scope, visit.address)
        if caller is None or not route.operation.declaration.scopes <= caller.scopes:
            return receive
        body = _Body(receive)
        sent = await body.read() if route.has_body else b""
        encoded = None
        if sent is not None:
            asked = Asked(caller, run_id, sent, scope["query_string"])
            encoded = await _read(route.read, asked)
        if encoded is None:
            return body.receive
        request_id = request_id_for(scope)
        status = 304 if route.validated and _is_known(scope, encoded.tag) else 200
        try:
            secure = visit.origin.startswith("https://")
            await route.send(send, status, encoded, request_id, scope[RATE_FIELDS], secure=secure)
        finally:
            log_request(scope, status, started, request_id)
        return None

    def _find(self, scope: Scope) -> tuple[HotRoute | None, str]:
        """The route, and the id of the run in the path."""
        if INSIDE in scope or scope.get("root_path"):
            return None, ""
        path: str = scope["path"]
        if not path.startswith(_RUNS):
            return self._exact.get((scope["method"], path)), ""
        run_id, slash, rest = path[len(_RUNS) :].partition("/")
        route = self._of_run.get((scope["method"], slash + rest))
        return (route, run_id) if is_ulid(run_id) else (None, "")


def _has_small_body(scope: Scope) -> bool:
    """Whether the body has a declared length of at most ``MAX_BODY``, and no coding."""
    length = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name in _UNUSUAL:
            return False
    return length.isdigit() and len(length) < _DIGITS and int(length) <= MAX_BODY


def _is_known(scope: Scope, tag: str) -> bool:
    """Whether the client has the data with this tag."""
    known = header(scope, b"if-none-match")
    return known is not None and matches(known, tag)


async def _read(read: HotRead, asked: Asked) -> Encoded | None:
    try:
        return await read.answer(asked)
    except (NotInline, FykeError):
        return None
    except Exception as error:
        log.warning("hot_read_failed", path=read.path, exc_info=error)
        return None


def _arrived(receive: Receive) -> Message | None:
    """The next message if it has arrived, as nearly every small body has. To wait for it with a
    timeout costs more than to look.
    """
    waiting = cast("Coroutine[Any, Any, Message]", receive())
    try:
        waiting.send(None)
    except StopIteration as arrived:
        message: Message = arrived.value
        return message
    waiting.close()
    return None


class _Body:
    """A small body. What was read of it can be received again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received: list[Message] = []
        self._late = False

    async def read(self) -> bytes | None:
        """The whole body; None when it does not arrive, or is larger than declared."""
        message = _arrived(self._receive)
        if message is not None:
            self._received.append(message)
            if message["type"] == "http.request" and not message.get("more_body", False):
                return bytes(message.get("body", b""))
        try:
            async with asyncio.timeout(MAX_BODY_SECONDS):
                return await self._rest()
        except TimeoutError:
            self._late = True
            return None

    async def _rest(self) -> bytes | None:
        """The whole body, of which the first message may have been received."""
        while not self._received or self._received[-1].get("more_body", False):
            self._received.append(await self._receive())
            if sum(len(message.get("body", b"")) for message in self._received) > MAX_BODY:
                return None
        if self._received[-1]["type"] != "http.request":
            return None  # the client is gone
        return b"".join(message.get("body", b"") for message in self._received)

    async def receive(self) -> Message:
        """``receive`` for the full path: the same messages again, then those that follow."""
        if self._received:
            return self._received.pop(0)
        if self._late:
            raise TimeoutError  # the body had all of its time
        return await self._receive()
