"""The MCP server at ``/mcp`` of an application for tests."""

from __future__ import annotations

from typing import Any

from fyke.api.app import add_agents
from fyke.app.agents import LazyAgents


def with_agents(app: Any) -> Any:
    """``app``, which also answers ``/mcp``, as in the server role."""
    add_agents(app, LazyAgents(app))
    return app
