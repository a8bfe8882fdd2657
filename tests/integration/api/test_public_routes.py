"""No route bypasses the checks: malformed paths, and the security of all routes in the document.
``test_matrix.py`` tests each route with each role.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from support.api import Api, public_routes
from support.app import App

pytestmark = pytest.mark.anyio

UNDOCUMENTED = "/api/v2/workers/runs/last"  # paths that an official client builds by mistake


def _routes(asgi: Any) -> list[tuple[str, str]]:
    return sorted({(m, r.path) for r in asgi.routes for m in (r.methods or ())})


async def _raw(asgi: Any, method: str, path: bytes, headers: dict[str, str], body: bytes) -> Any:
    """Send a request exactly as written, without a client that normalises the path."""
    from urllib.parse import unquote_to_bytes

    sent: list[Any] = []
    received = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    bare, _, query = path.partition(b"?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(bare).decode("utf-8", "surrogateescape"),
        "raw_path": bare,
        "query_string": query,
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost")]
        + [(k.lower().encode(), v.encode()) for k, v in headers.items()],
    }
    await asgi(scope, receive, send)
    content = b"".join(m.get("body", b"") for m in sent[1:])
    head = {name.lower(): value for name, value in sent[0]["headers"]}
    if head.get(b"location", b"").startswith(b"/login?"):
        return 401, "a page of the console, which asks to sign in"
    if head.get(b"content-type", b"").startswith(b"text/html"):
        return sent[0]["status"], content.decode()
    return sent[0]["status"], json.loads(content)


async def test_the_list_of_public_operations_is_complete(app: App) -> None:
    asgi = app.asgi()
    routes = {route for route in _routes(asgi) if route[0] != "HEAD"}
    assert routes >= public_routes(asgi)
    assert len(public_routes(asgi)) == 18


async def test_every_route_answers_over_http_only(app: App) -> None:
    asgi = app.asgi()
    assert all(route.methods for route in asgi.routes)


TRICKS = [
    "/",
    "//",
    "/.",
    "/..",
    "/./",
    "%2f",
    "%252f",
    "%2e%2e/",
    "..;/",
    ";",
    ";a=b",
    ";/healthz",
    "/healthz",
    "/../healthz",
    "%00",
    "%0a",
    "%20",
    "?",
    "?token=",
    "?token",
    "#",
    ".json",
    ".html",
    "\\",
    "%5c",
    "*",
    "~",
    "/readyz",
    "%2e",
    "..%2f",
    "%ff",
    "%c0%af",
    "/api/store",
    "@",
    ":80",
    "//x",
    "/openapi.json",
    "/files/a/b",
]


def _bend(path: str, chance: random.Random) -> str:
    bent = path
    for _ in range(chance.randint(1, 3)):
        kind = chance.randrange(7)
        at = chance.randrange(len(bent) + 1)
        if kind == 0:
            bent += chance.choice(TRICKS)
        elif kind == 1:
            bent = "/" + chance.choice(TRICKS).strip("/") + bent
        elif kind == 2:
            bent = bent[:at] + chance.choice(TRICKS) + bent[at:]
        elif kind == 3:
            bent = bent.swapcase() if chance.random() < 0.5 else bent.upper()
        elif kind == 4:
            bent = bent.replace("/", chance.choice(["//", "%2f", "\\", "/./", "%252f"]), 1)
        elif kind == 5:
            bent = "".join(f"%{ord(c):02x}" if chance.random() < 0.3 else c for c in bent)
        else:
            bent = chance.choice(["/healthz/..", "/api/store/..", "/files/x/.."]) + bent
    return bent


@pytest.mark.slow
@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.long)])
async def test_malformed_paths_give_no_access(app: App, run_slug: str, count: int) -> None:
    asgi = app.asgi()
    public = public_routes(asgi)
    private = [p for m, p in _routes(asgi) if (m, p) not in public and m != "HEAD"]
    chance = random.Random(count)
    body = json.dumps({"run_slug": run_slug, "name": "x", "slug": run_slug}).encode()
    opened = []
    for _ in range(count):
        path = _bend(chance.choice(private).replace("{slug}", run_slug), chance)
        method = chance.choice(["GET", "POST", "DELETE", "HEAD", "PUT", "post", "PROPFIND"])
        headers = {"x-http-method-override": "POST", "x-original-url": "/healthz"}
        raw = path.encode("ascii", "ignore").partition(b"#")[0] or b"/"
        status, answer = await _raw(asgi, method, raw, headers, body)
        if status not in (400, 401, 404, 405) and not _is_public(raw, public):
            opened.append((method, path, status, answer))
    assert opened == []


def _is_public(raw: bytes, public: set[tuple[str, str]]) -> bool:
    """Whether a malformed path happens to equal a public path, which is answered."""
    from urllib.parse import unquote_to_bytes

    path = unquote_to_bytes(raw.partition(b"?")[0])
    return path in {p.encode() for _, p in public}


@pytest.mark.slow
async def test_the_document_names_every_operation_once(app: App, api: Api) -> None:
    asgi = app.asgi()
    document = asgi.openapi()
    operations = [o for p in document["paths"].values() for o in p.values()]
    ids = [o["operationId"] for o in operations]
    routes = {r for r in _routes(asgi) if r[0] != "HEAD"}
    undocumented = {r for r in routes if r[1].startswith(UNDOCUMENTED)}
    assert len(undocumented) == 6
    undocumented.add(("GET", "/docs/api/{digest}/{name}"))  # files of the page
    assert len(ids) == len(set(ids)) == len(routes - undocumented)
    v1 = [
        p
        for p in document["paths"]
        if p.startswith(("/api/v1/", "/api/store", "/api/scraper", "/api/proxy"))
        and p != "/api/v1/openapi.json"
    ]
    assert len(v1) == 13
    for operation in operations:
        assert {"200", "400", "401", "429", "500"} <= set(operation["responses"])
    start = document["paths"]["/api/v1/scraper/run"]["post"]
    schema = start["requestBody"]["content"]["application/json"]["schema"]
    start = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert start["required"] == ["scraper_slug", "input"]
    served = (await api.http.get("/openapi.json")).json()
    assert served.pop("servers")[0]["url"] == str(api.http.base_url).rstrip("/")
    assert {path: set(item) for path, item in served["paths"].items()} == {
        path: set(item) for path, item in document["paths"].items()
    }
    assert served["components"] == document["components"]
