"""``fyke mcp`` as a process, started by the SDK's client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from fyke.cli.mcp_files import McpConnection, write_connection
from support.served import served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_it_serves_with_an_installed_connection_and_a_cap(
    tmp_path: Path, templates: Path
) -> None:
    with served(tmp_path, templates) as server:
        file = tmp_path / "mcp" / "test.json"
        write_connection(file, McpConnection(server.base_url, server.app.owner_key, ""))
        program = StdioServerParameters(
            command=sys.executable,
            args=["-m", "fyke.cli.entry", "mcp", "--connection", str(file), "--spend-cap", "3"],
            env={name: value for name, value in os.environ.items() if "FYKE" not in name},
        )
        async with Client(program) as client:
            assert client.instructions is not None
            spending = await client.call_tool("get_spending", {})
            assert json.loads(spending.content[0].text)["left_usd"] == "3"  # type: ignore[union-attr]
            answer = await client.call_tool("list_workers", {})
            assert json.loads(answer.content[0].text)["list"] == []  # type: ignore[union-attr]
