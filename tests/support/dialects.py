"""Requests as known clients send them, and how each reads an answer.

Headers, order of checks and types are those of the clients. An error of a client is raised as
``AssertionError`` with its text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

from support.app import App

Answer = httpx2.Response
Reader = Callable[[Answer], Any]

# The keys under which the node of the workflow tool looks for an array, in this order.
ARRAYS = ("items", "records", "list", "data", "results")


class Client:
    """Sends exactly the headers of one client."""

    def __init__(self, http: Any, headers: dict[str, str], read: Reader) -> None:
        self._http, self._headers, self._read = http, headers, read

    async def __call__(self, method: str, path: str, content: bytes | None = None) -> Any:
        headers = dict(self._headers)
        if content is not None:
            headers.setdefault("content-type", "application/json")
        answer = await self._http.request(method, path, content=content, headers=headers)
        return self._read(answer)

    async def get(self, path: str) -> Any:
        return await self("GET", path)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self("POST", path, None if body is None else json.dumps(body).encode())

    async def put(self, path: str, body: Any) -> Any:
        return await self("PUT", path, json.dumps(body).encode())


def cli1(answer: Answer) -> Any:
    """The first command line checks the status and then the code, and prints the message."""
    body = json.loads(answer.text)
    if not 200 <= answer.status_code < 300:
        raise AssertionError(f"HTTP {answer.status_code}: {body['message']}")
    if body["code"] != 0:
        raise AssertionError(f"code {body['code']}: {body['message']}")
    return body["data"]


def cli1_client(http: Any, key: str | None) -> Client:
    """The first command line sends Content-Type even without a body."""
    headers = {"content-type": "application/json"} | ({} if key is None else {"api-key": key})
    return Client(http, headers, cli1)


def cli2(answer: Answer) -> Any:
    """The second command line checks the code and then the status, and joins the details."""
    body = answer.json()
    if body["code"] != 0:
        raise AssertionError(f"{body['code']} {body['message']} {', '.join(body['details'] or [])}")
    assert answer.status_code == 200
    return body.get("data")


def cli2_client(http: Any, key: str | None) -> Client:
    return Client(http, {} if key is None else {"authorization": f"Bearer {key}"}, cli2)


def mcp(answer: Answer) -> Any:
    """The MCP server decodes into types, so a wrong type is an error; it shows only the message."""
    body = answer.json()
    assert type(body["code"]) is int
    assert type(body["message"]) is str
    assert type(body["request_id"]) is str
    assert body.get("details") is None or all(type(d) is str for d in body["details"])
    if answer.status_code >= 400 or body["code"]:
        raise AssertionError(f"[{body['code']}] {body['message']}")
    return body.get("data")


def mcp_client(http: Any, app: App) -> Client:
    headers = {"authorization": f"Bearer {app.owner_key}", "accept-encoding": "gzip"}
    return Client(http, headers | {"user-agent": "Go-http-client/1.1"}, mcp)


def n8n(answer: Answer) -> Any:
    body = answer.json()
    assert type(body["code"]) in (int, float), "unexpected response shape"
    if body["code"] != 0:
        raise AssertionError(f"{body['message']} {body['details']} {body['request_id']}")
    return body.get("data")


def n8n_client(http: Any, key: str) -> Client:
    """The workflow node sends all four headers with every request."""
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "api-key": key,
        "authorization": f"Bearer {key}",
    }
    return Client(http, headers, n8n)


def array_of(data: Any) -> list[Any]:
    """Return the entries of a list as the workflow node finds them."""
    for name in ARRAYS:
        if isinstance(data.get(name), list):
            entries: list[Any] = data[name]
            return entries
    raise AssertionError("no array")


def first_of(entry: dict[str, Any], *names: str) -> Any:
    """The value of the first of ``names`` that an entry has."""
    return next(entry[name] for name in names if name in entry)
