"""``/mcp`` of a real server: the SDK's client, keys, Origin and Host, the spend cap of a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from fyke_client import FykeAdmin
from support.agents import with_agents
from support.served import Served, served

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), templates, around=with_agents) as server:
        yield server


def post(server: Served, key: str | None = "", method: str = "POST", **headers: str) -> Any:
    if key is not None:
        headers["authorization"] = f"Bearer {key or server.app.owner_key}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {} if method == "GET" else {"json": INITIALIZE}
    return httpx2.request(method, f"{server.base_url}/mcp", headers=ACCEPT | named, **body)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_sdk_uses_it_with_a_key(server: Served, mode: str) -> None:
    headers = {"authorization": f"Bearer {server.app.owner_key}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(f"{server.base_url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            assert len((await client.list_tools()).tools) > 42
            answer = await client.call_tool("get_account_info", {})
            assert "balance" in json.loads(answer.content[0].text)  # type: ignore[union-attr]


def test_a_key_is_needed_and_its_scopes_apply(server: Served) -> None:
    for key in (None, "scraper_api_NONE"):
        refused = post(server, key)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
    with FykeAdmin(server.base_url, server.app.owner_key) as fyke:
        reader = fyke.create_key("reader", scopes=("read",)).key
    assert post(server, reader).json()["result"]["serverInfo"]["name"] == "fyke"
    start = {"name": "start_run", "arguments": {"worker": "owner/none"}}
    answer = httpx2.post(
        f"{server.base_url}/mcp",
        headers=ACCEPT | {"authorization": f"Bearer {reader}"},
        json={"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": start},
    )
    assert answer.json()["result"]["isError"] is True
    assert "run" in answer.json()["result"]["content"][0]["text"]


def test_pages_of_other_sites_and_other_names_are_refused(server: Served) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert post(server, origin=origin).status_code == 403
    assert post(server, origin=server.base_url).status_code == 200
    assert post(server, host="evil.example").status_code == 400


def test_there_is_no_stream_and_no_session(server: Served) -> None:
    refused = post(server, method="GET")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert "mcp-session-id" not in post(server).headers


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"name": "get_worker", "arguments": [1]}, "arguments must be a JSON object"),
        ({"name": "get_worker", "arguments": "x"}, "arguments must be a JSON object"),
        ({"name": 7}, "name must be the name of a tool"),
    ],
)
def test_what_is_wrong_with_a_call_is_named(server: Served, params: Any, problem: str) -> None:
    headers = ACCEPT | {"authorization": f"Bearer {server.app.owner_key}"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = httpx2.post(f"{server.base_url}/mcp", headers=headers, json=message)
    assert answer.json()["error"]["message"] == problem


def test_a_wrong_spend_cap_is_refused(server: Served) -> None:
    refused = post(server, fyke_spend_cap="much")
    assert (refused.status_code, "Fyke-Spend-Cap" in refused.text) == (400, True)
    assert post(server, fyke_spend_cap="2.50").status_code == 200
