"""The playground of an operation: calls the real API in process as the signed-in user.

The request passes the whole application, including transport and access checks. Instead of a key,
its scope contains the caller, which only this process can set, so the browser needs no key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import quote, urlencode

from starlette.types import ASGIApp, Message, Scope

from fyke.api.auth import INSIDE
from fyke.console.docs.reference import OperationPage
from fyke.errors import InvalidRequest
from fyke.model.account import Caller

MAX_BODY = 2**20
SHOWN_BYTES = 64 * 1024
SECONDS = 20.0
_SHOWN_HEADERS = (
    "content-type",
    "content-disposition",
    "idempotency-replayed",
    "x-request-id",
    "ratelimit",
    "etag",
)


@dataclass(slots=True)
class PlaygroundCall:
    """The response. ``cut``: the body is truncated, or the time limit was reached."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    cut: bool = False
    milliseconds: int = 0

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class PlaygroundRequest:
    """The submitted form: parameters by (place, name), and the text of the body."""

    parameters: dict[tuple[str, str], str]
    body: str


async def send_request(
    api: ASGIApp, page: OperationPage, request: PlaygroundRequest, caller: Caller, host: str
) -> PlaygroundCall:
    """Send the request and return the response. Raise ``InvalidRequest`` when it cannot be sent."""
    if len(request.body.encode()) > MAX_BODY:
        raise InvalidRequest(f"at most {MAX_BODY} bytes can be sent from here", field="body")
    call, done = PlaygroundCall(), asyncio.Event()
    started = perf_counter()
    try:
        async with asyncio.timeout(SECONDS):
            scope = _scope(page, request, caller, host)
            await _call(api, scope, request.body.encode(), call, done)
    except TimeoutError:
        call.cut = True
    call.milliseconds = round((perf_counter() - started) * 1000)
    return call


async def _call(
    api: ASGIApp, scope: Scope, body: bytes, call: PlaygroundCall, done: asyncio.Event
) -> None:
    """Run the application until the response is complete or exceeds ``SHOWN_BYTES``."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            call.status = message["status"]
            headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            call.headers = [(name, headers[name]) for name in _SHOWN_HEADERS if name in headers]
            return
        chunk = message.get("body", b"")
        room = SHOWN_BYTES - len(call.body)
        call.body += chunk[:room]
        if len(chunk) > room:
            call.cut = True
            done.set()  # a streaming handler is notified of the disconnect

    await api(scope, receive, send)


def _scope(page: OperationPage, request: PlaygroundRequest, caller: Caller, host: str) -> Scope:
    path, query = page.path, []
    headers = [(b"host", host.encode("latin-1")), (b"accept", b"*/*")]
    for parameter in page.parameters:
        value = request.parameters.get((parameter.place, parameter.name), "")
        if not value and parameter.place == "path":
            raise InvalidRequest(f"{parameter.name}: this part of the address cannot be left out")
        if parameter.place == "path":
            path = path.replace("{" + parameter.name + "}", value)
        elif value and parameter.place == "query":
            query.append((parameter.name, value))
        elif value and parameter.place == "header":
            headers.append((parameter.name.lower().encode(), _one_line(parameter.name, value)))
    if page.body_media:
        headers.append((b"content-type", b"application/json"))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": page.method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path, safe="~/").encode(),
        "query_string": urlencode(query).encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": None,
        "state": {},
        INSIDE: caller,
    }


def _one_line(name: str, value: str) -> bytes:
    try:
        encoded = value.encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidRequest(f"{name}: only Latin-1 characters are allowed") from None
    if any(byte < 32 for byte in encoded):
        raise InvalidRequest(f"{name}: a header is one line")
    return encoded
