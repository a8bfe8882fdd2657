"""``/mcp``: who may call the MCP server, and with which address and key it calls the REST API.

The server itself is not part of this package: it is a client of the REST API.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fyke.api.auth import AccessControl, credential
from fyke.api.decode import declared_size
from fyke.api.errors import Refusal, request_id, table_for
from fyke.api.network import Visit, header
from fyke.api.transport import VISIT
from fyke.errors import Unauthenticated

PATH = "/mcp"
MAX_BODY_BYTES = 10 * 2**20  # as for the input of a run
SPEND_CAP = b"fyke-spend-cap"
METHODS: Collection[str] = ("DELETE", "GET", "HEAD", "POST", "PUT", "PATCH")


class Agents(Protocol):
    """The MCP server. ``origin``, ``address``, ``key`` and ``key_id`` are those of a request that
    may use it; ``spend_cap`` is its header of this name, or empty. Raises ``ValueError`` for a
    wrong one.
    """

    async def serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        origin: str,
        address: str,
        key: str,
        key_id: str,
        spend_cap: str,
    ) -> None: ...


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
        self._access.charge(scope, min(declared_size(request) or 0, MAX_BODY_BYTES))
        try:
            await self._agents.serve(
                scope,
                receive,
                send,
                origin=visit.origin,
                address=visit.address,
                key=credential(scope) or "",
                key_id=caller.key_id,
                spend_cap=header(scope, SPEND_CAP) or "",
            )
        except ValueError as error:
            raise Refusal(400, f"the header Fyke-Spend-Cap: {error}") from None


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
