"""A client of the API for tests, which checks every answer against the transport rules."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

from fyke.api.envelope import V2_PREFIX
from fyke.wire.common import Failure, FailureV2

# httpx2 tries this import with each request through ASGI: without the entry each try searches every
# folder of packages
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # None: there is no such package

LEAKS = re.compile(
    r"Traceback|File \"|site-packages|/src/fyke|sqlalchemy|sqlite3|\.py\b|SELECT |<html|/tmp/"
)


@dataclass
class Api:
    """A client of the application that checks every answer against the transport rules."""

    http: httpx2.AsyncClient
    key: str

    async def send(self, method: str, path: str, *, key: str | None = "", **options: Any) -> Any:
        headers = httpx2.Headers(options.pop("headers", None) or {})
        if key is not None:
            headers["api-key"] = key or self.key
        answer = await self.http.request(method, path, headers=headers, **options)
        check_answer(answer)
        return answer

    async def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return await self.send("POST", path, json={} if body is None else body, **options)

    async def ok(self, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.post(path, body, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def get(self, path: str, **options: Any) -> Any:
        return await self.send("GET", path, **options)


def check_answer(answer: Any) -> None:
    """Check the rules of every answer: envelope, compact JSON, no redirect, no internal detail."""
    assert not 300 <= answer.status_code < 400
    assert answer.headers["x-request-id"]
    if "attachment" in answer.headers.get("content-disposition", ""):
        return
    assert answer.headers["content-type"] == "application/json"
    text = answer.text
    assert re.match(r'\{"code":\d+,"message":"', text)
    body = json.loads(text)
    assert text == json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    assert (body["code"] == 0) == (answer.status_code == 200)
    if body["code"]:
        is_v2 = str(answer.request.url.path).startswith(V2_PREFIX)
        shape = FailureV2 if is_v2 else Failure
        assert msgspec.json.encode(msgspec.json.decode(text, type=shape)) == answer.content
        assert not LEAKS.search(text), text


def fails(answer: Any, status: int, code: int, *words: str) -> dict[str, Any]:
    """Assert that the answer is this error and contains these texts; return its body."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    for word in words:
        assert word in answer.text, answer.text
    body: dict[str, Any] = answer.json()
    return body


def client(app: Any, *, base: str = "http://127.0.0.1:8100", peer: str = "127.0.0.1") -> Any:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(peer, 5000))
    return httpx2.AsyncClient(transport=transport, base_url=base)


def start_body(worker: str, **options: Any) -> dict[str, Any]:
    custom = {"urls": [{"url": "https://a.example"}, {"url": "https://b.example"}]}
    system = {"cpus": 0.125, "memory": 512}
    parameters = {"system": system, "custom": custom}
    return {"scraper_slug": worker, "input": {"parameters": parameters}} | options


def operations(app: Any) -> list[Any]:
    """Return the declarations of all operations of the application."""
    return [operation.declaration for operation in app.operations]


def public_routes(app: Any) -> set[tuple[str, str]]:
    """Return the methods and paths of the operations that need no key."""
    return {(operation.method, operation.path) for operation in operations(app) if operation.public}
