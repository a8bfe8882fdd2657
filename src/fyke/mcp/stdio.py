"""The server of one user, over standard input and output."""

from __future__ import annotations

from decimal import Decimal

from mcp.server.stdio import stdio_server

from fyke.mcp.server import build_server
from fyke.mcp.session import McpSession
from fyke_client import AsyncFyke


async def serve_stdio(url: str, key: str, cap: Decimal | None = None) -> None:
    """Serve until standard input ends. ``cap``: US dollars that all runs may cost together.

    Raises ``ValueError`` for an unusable URL or key.
    """
    async with AsyncFyke(url, key) as fyke:
        session = McpSession(fyke, cap=cap)
        server = build_server(lambda _: session)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
