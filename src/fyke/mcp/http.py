"""The server of many users, at ``/mcp`` of the server role (streamable HTTP).

Each request stands alone and has its user's key, so there are no sessions that a restart could
lose, and any server of an installation can answer. Tools call the REST API of this process with
that key and the address of the user, so that limits, rights and the audit log are the same.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any

import httpx2
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import ASGIApp, Receive, Scope, Send

from fyke.mcp.call import AgentCall
from fyke.mcp.server import build_server
from fyke.mcp.session import McpSession
from fyke.mcp.spending import AgentSpending, KeySpending
from fyke_client import AsyncFyke

MAX_BODY_BYTES = 10 * 2**20
REMEMBERED_KEYS = 1000  # with a spend cap
_SESSION = "fyke.mcp_session"  # key in the ASGI scope


class McpEndpoint:
    """``api`` is the REST API as an ASGI application."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api
        self._spending: OrderedDict[str, KeySpending] = OrderedDict()  # by key
        self._manager = _manager()
        self._ready = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, call: AgentCall, cap: Decimal | None
    ) -> None:
        """Answer one request; see ``fyke.api.agents``. ``cap``: that of the call, in US dollars."""
        await self._start()
        client = call.address, 0
        transport = httpx2.ASGITransport(self._api, raise_app_exceptions=False, client=client)
        async with AsyncFyke(call.origin, call.key, transport=transport) as fyke:
            with self._spending_of(call.key_id, cap) as spending:
                scope[_SESSION] = McpSession(fyke, spending, cap)
                await self._manager.handle_request(scope, receive, send)

    @contextmanager
    def _spending_of(self, key_id: str, cap: Decimal | None) -> Iterator[AgentSpending]:
        """One object for all requests of a key under a cap, so that their starts take turns."""
        if cap is None:
            yield AgentSpending()
            return
        spending = self._spending.setdefault(key_id, KeySpending(key_id=key_id))
        self._spending.move_to_end(key_id)
        spending.users += 1
        try:
            yield spending
        finally:
            spending.users -= 1
            if len(self._spending) > REMEMBERED_KEYS:
                unused = (name for name, known in self._spending.items() if not known.users)
                self._spending.pop(next(unused, ""), None)

    async def _start(self) -> None:
        if self._running is None or self._running.done():
            # A manager runs once.
            self._manager, self._ready = _manager(), asyncio.Event()
            self._running = asyncio.create_task(self._run())
        running, ready = self._running, asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if running.done():
            running.result()

    async def _run(self) -> None:
        async with self._manager.run():
            self._ready.set()
            await asyncio.Event().wait()

    async def close(self) -> None:
        """End the requests that are being answered."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running


def _manager() -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        build_server(_session_of),
        json_response=True,
        stateless=True,
        max_request_body_size=MAX_BODY_BYTES,
    )


def _session_of(context: ServerRequestContext[Any, Any]) -> McpSession:
    session: McpSession = context.request.scope[_SESSION]  # type: ignore[union-attr]
    return session
