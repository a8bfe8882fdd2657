"""Who calls ``/mcp``. It imports nothing of the SDK, so that the API can have it at any time."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AgentCall:
    """A request that may use the MCP server: the ``origin`` under which it reached this server, the
    network address it came from, its key with the id of that, and what its header
    ``Fyke-Spend-Cap`` has, or nothing.
    """

    origin: str
    address: str
    key: str = field(repr=False)
    key_id: str
    spend_cap: str = ""
