"""``/mcp``: who may call the MCP server, and with which address and key it calls the REST API.

The server itself is not part of this package: it is a client of the REST API.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from fyke.api.auth import AccessControl, credential
from fyke.api.decode import declared_size, read_body
from fyke.api.errors import Refusal, request_id, table_for
from fyke.api.network import Visit, header
from fyke.api.presence import first_of
from fyke.api.transport import VISIT
from fyke.errors import Unauthenticated
from fyke.mcp.call import AgentCall

PATH = "/mcp"
MAX_BODY_BYTES = 10 * 2**20  # as for the input of a run
MAX_CALLS = 20  # of a key at once
SPEND_CAP = b"fyke-spend-cap"
METHODS: Collection[str] = ("DELETE", "GET", "HEAD", "POST", "PUT", "PATCH")


class Agents(Protocol):
    """The MCP server."""

    async def serve(self, scope: Scope, receive: Receive, send: Send, call: AgentCall) -> None:
        """Answer a request. Its body was read, so ``receive`` says nothing of a disconnection: then
        this is cancelled. Raises ``Refusal`` for a wrong spend cap.
        """
        ...


class AgentRoute(Route):
    """The route of the MCP server."""

    def __init__(self, agents: Agents, access: AccessControl) -> None:
        super().__init__(PATH, _AgentEndpoint(agents, access), methods=[*METHODS])


class _AgentEndpoint:
    """Checks a request, in the order of the REST API, and passes it on."""

    path = PATH  # in the access log

    def __init__(self, agents: Agents, access: AccessControl) -> None:
        self._agents = agents
        self._access = access
        self._calls: Counter[str] = Counter()  # that are being answered, by key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        request, visit = Request(scope, receive), scope[VISIT]
        check_origin(scope, visit)
        try:
            caller = await self._access.require(scope, visit.address)
        except Unauthenticated as error:
            answer: Response = table_for(scope).answer(error, request_id(request))
            answer.headers["www-authenticate"] = 'Bearer realm="Fyke"'
            await answer(scope, receive, send)
            return
        if scope["method"] != "POST":
            # There is no stream of messages without a request, and no session to delete.
            raise Refusal(405, "this path accepts POST", headers={"allow": "POST"})
        declared = declared_size(request)
        if declared is not None:
            self._access.charge(scope, min(declared, MAX_BODY_BYTES))
        body = await read_body(request, MAX_BODY_BYTES)
        if declared is None:
            self._access.charge(scope, len(body))
        if body.lstrip(b" \t\r\n")[:1] == b"[":
            raise Refusal(400, "send one message of JSON-RPC, not a list of them")
        with self._call_of(caller.key_id or caller.account_id):
            call = AgentCall(
                visit.origin,
                visit.address,
                credential(scope) or "",
                caller.key_id,
                header(scope, SPEND_CAP) or "",
            )
            work = self._agents.serve(scope, _replayed(body), send, call)
            serving = asyncio.create_task(work)
            if not await first_of(serving, scope, receive):
                raise Refusal(503, "the call was ended: the server stops, or its client has gone")
            serving.result()

    @contextmanager
    def _call_of(self, key: str) -> Iterator[None]:
        """Count a call of ``key`` while it is answered. Raises ``Refusal``."""
        if self._calls[key] >= MAX_CALLS:
            raise Refusal(429, f"at most {MAX_CALLS} calls with one key at once")
        self._calls[key] += 1
        try:
            yield
        finally:
            self._calls[key] -= 1
            if not self._calls[key]:
                del self._calls[key]


def _replayed(body: bytes) -> Receive:
    """``receive`` of a request whose body was read; ``first_of`` waits for its disconnection."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()  # cancelled with the request
        return messages.pop()

    return receive


def check_origin(scope: Scope, visit: Visit) -> None:
    """Raise ``Refusal`` for a page of another site, whose scripts run in the browser of a user who
    did not ask for it.
    """
    sent = header(scope, b"origin")
    if sent is None:
        return
    origin, own = urlsplit(sent.strip().lower()), urlsplit(visit.origin.lower())
    if (origin.scheme, origin.netloc) != (own.scheme, own.netloc):
        raise Refusal(403, "the Origin header names another site")
