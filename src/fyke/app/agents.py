"""The MCP server of the server role, which is imported by the first request to it.

The SDK below it needs tens of megabytes, which a server that no agent uses does not spend.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from fyke.api.errors import Refusal
from fyke.mcp.call import AgentCall

if TYPE_CHECKING:
    from fyke.mcp.http import McpEndpoint


class LazyAgents:
    """Imports and starts the MCP server when it is used. ``api``: the REST API of this process."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api
        self._lock = asyncio.Lock()
        self._endpoint: McpEndpoint | None = None

    async def serve(self, scope: Scope, receive: Receive, send: Send, call: AgentCall) -> None:
        """See ``fyke.api.agents``."""
        endpoint = await self._started()
        from fyke.mcp.spending import read_cap

        try:
            cap = read_cap(call.spend_cap)
        except ValueError as error:
            raise Refusal(400, f"the header Fyke-Spend-Cap: {error}") from None
        await endpoint.serve(scope, receive, send, call, cap)

    async def _started(self) -> McpEndpoint:
        async with self._lock:
            if self._endpoint is None:
                # The import takes about a second of CPU time; the event loop goes on meanwhile.
                endpoint_type = await asyncio.to_thread(_endpoint_type)
                self._endpoint = endpoint_type(self._api)
            return self._endpoint

    async def close(self) -> None:
        """End the requests that are being answered."""
        if self._endpoint is not None:
            await self._endpoint.close()


def _endpoint_type() -> type[McpEndpoint]:
    from fyke.mcp.http import McpEndpoint

    return McpEndpoint
