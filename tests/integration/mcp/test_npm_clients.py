"""The programs from npm that agents and their developers use: the Inspector's command line, over
HTTP and over standard input and output, and ``mcp-remote``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from support.agents import with_agents
from support.served import Served, served

pytestmark = [pytest.mark.needs("node", "npm"), pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), templates, around=with_agents) as server:
        yield server


def inspect(programs: Path, *arguments: str) -> Any:
    """What the Inspector prints."""
    program = programs / "@modelcontextprotocol" / "inspector-cli" / "build" / "index.js"
    completed = subprocess.run(
        ["node", str(program), *arguments], capture_output=True, text=True, timeout=120
    )
    assert completed.returncode == 0, completed.stderr + completed.stdout
    return json.loads(completed.stdout)


@pytest.mark.long
def test_the_inspector_over_http(programs: Path, server: Served) -> None:
    # This release has no option for headers; 1.0.3 has, but needs Node.js 22.
    place = [f"{server.base_url}/mcp?token={server.app.owner_key}", "--transport", "http"]
    listed = inspect(programs, *place, "--method", "tools/list")
    assert len(listed["tools"]) > 42
    called = inspect(programs, *place, "--method", "tools/call", "--tool-name", "get_account_info")
    assert "balance" in json.loads(called["content"][0]["text"])


def test_the_inspector_over_standard_input(programs: Path, server: Served, tmp_path: Path) -> None:
    program = tmp_path / "fyke"
    program.write_text(
        f"#!/bin/sh\nexport FYKE_URL={server.base_url} FYKE_KEY={server.app.owner_key}\n"
        f'exec {sys.executable} -m fyke.cli.entry "$@"\n'
    )
    program.chmod(0o700)
    listed = inspect(programs, str(program), "mcp", "--method", "prompts/list")
    assert "collect_data" in [prompt["name"] for prompt in listed["prompts"]]


async def test_mcp_remote(programs: Path, server: Served, tmp_path: Path) -> None:
    remote = StdioServerParameters(
        command="node",
        args=[
            str(programs / "mcp-remote" / "dist" / "proxy.js"),
            f"{server.base_url}/mcp",
            "--transport",
            "http-only",
            "--header",
            f"Authorization:Bearer {server.app.owner_key}",
        ],
        env={**os.environ, "MCP_REMOTE_CONFIG_DIR": str(tmp_path)},
    )
    async with Client(remote, mode="legacy") as client:
        assert len((await client.list_tools()).tools) > 42
        answer = await client.call_tool("list_workers", {})
        assert "list" in json.loads(answer.content[0].text)  # type: ignore[union-attr]
