"""What the tools of one user share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from fyke.mcp.spending import AgentSpending
from fyke_client import AsyncFyke


@dataclass(frozen=True, slots=True)
class McpSession:
    """``fyke`` is the client with the user's key; ``spending`` counts the runs that it starts.
    ``cap``: US dollars that they may cost together; None: no cap. ``hiding``: held while the server
    hides secrets, which it does once at a time for an account.
    """

    fyke: AsyncFyke
    spending: AgentSpending = field(default_factory=AgentSpending)
    cap: Decimal | None = None
    hiding: asyncio.Lock = field(default_factory=asyncio.Lock)
