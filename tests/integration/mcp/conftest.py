"""The tools over the real application, called by the client of the SDK."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client

from fyke.mcp.server import build_server
from fyke.mcp.session import McpSession
from fyke_client import AsyncFyke
from support.app import App, open_app

NPM = Path(__file__).parent / "npm"


@dataclass
class Agent:
    """A client of the MCP server, and the session behind it."""

    client: Client
    session: McpSession

    async def call(self, tool: str, **arguments: Any) -> Any:
        """The first part of an answer, decoded."""
        answer = await self.client.call_tool(tool, arguments)
        assert not answer.is_error, answer.content
        return json.loads(answer.content[0].text)  # type: ignore[union-attr]

    async def refused(self, tool: str, **arguments: Any) -> str:
        answer = await self.client.call_tool(tool, arguments)
        assert answer.is_error
        return answer.content[0].text  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with exactly the locked packages."""
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NPM / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    completed = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=500)
    assert completed.returncode == 0, completed.stderr
    return folder / "node_modules"


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        yield app


@pytest.fixture
async def session(app: App) -> AsyncIterator[McpSession]:
    transport = httpx2.ASGITransport(app.asgi())
    async with AsyncFyke("http://localhost", app.owner_key, transport=transport) as fyke:
        yield McpSession(fyke)


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    """The handshake of older clients, and the requests without one of newer clients."""
    return str(request.param)


@pytest.fixture
async def agent(session: McpSession) -> AsyncIterator[Agent]:
    async with Client(build_server(lambda _: session)) as client:
        yield Agent(client, session)
