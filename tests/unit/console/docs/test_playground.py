"""A request from the playground: its form in the application, and the shown response."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from starlette.types import Receive, Scope, Send

from fyke.api.auth import INSIDE
from fyke.console.docs import playground
from fyke.console.docs.playground import MAX_BODY, SHOWN_BYTES, PlaygroundRequest, send_request
from fyke.console.docs.reference import OperationPage, ReferenceField
from fyke.errors import InvalidRequest
from fyke.model.account import Caller, Role

pytestmark = pytest.mark.anyio

CALLER = Caller("account", "acme", False, "user", "", Role.MEMBER)
PAGE = OperationPage(
    id="runWorker",
    method="POST",
    path="/api/v2/workers/{workerId}/runs",
    version="v2",
    tag="Runs",
    summary="Start a run",
    text="",
    open=False,
    parameters=(
        ReferenceField("workerId", "path", "string", True, ""),
        ReferenceField("wait", "query", "integer", False, ""),
        ReferenceField("clean", "query", "boolean", False, ""),
        ReferenceField("Idempotency-Key", "header", "string", False, ""),
    ),
    body_media="application/json",
    body_fields=(),
    body="{}",
    answers=(),
)
WORKER = {("path", "workerId"): "owner~reader"}


@dataclass
class Application:
    """Responds with ``pieces``, and records the request."""

    pieces: tuple[bytes, ...] = (b'{"code":0}',)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    follows: bool = False  # waits after the pieces until the client disconnects
    scope: Scope = field(default_factory=dict)
    body: bytes = b""
    disconnected: bool = False  # whether the client disconnected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 202, "headers": self.headers})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self.follows:
            self.disconnected = (await receive())["type"] == "http.disconnect"


async def call_of(
    app: Application, parameters: dict[tuple[str, str], str], body: str = "{}"
) -> playground.PlaygroundCall:
    return await send_request(app, PAGE, PlaygroundRequest(parameters, body), CALLER, "here:8000")


async def test_path_query_headers_and_body_reach_the_application_as_the_user() -> None:
    app = Application()
    parameters = {
        ("path", "workerId"): "owner~a b/c?d",
        ("query", "wait"): "6&0",
        ("query", "clean"): "",
        ("header", "Idempotency-Key"): "é",
    }
    await call_of(app, parameters, '{"ü":1}')
    assert app.scope["method"] == "POST"
    assert app.scope["path"] == "/api/v2/workers/owner~a b/c?d/runs", "as a server decodes it"
    assert app.scope["raw_path"] == b"/api/v2/workers/owner~a%20b/c%3Fd/runs"
    assert app.scope["query_string"] == b"wait=6%260"
    headers = dict(app.scope["headers"])
    assert (headers[b"host"], headers[b"idempotency-key"]) == (b"here:8000", b"\xe9")
    assert headers[b"content-type"] == b"application/json"
    assert app.body == '{"ü":1}'.encode()
    assert app.scope[INSIDE] is CALLER


async def test_an_operation_without_a_body_sends_no_content_type() -> None:
    app = Application()
    page = replace(PAGE, method="GET", body_media="")
    parameters = WORKER | {("header", "Idempotency-Key"): ""}
    await send_request(app, page, PlaygroundRequest(parameters, ""), CALLER, "here")
    assert [name for name, _ in app.scope["headers"]] == [b"host", b"accept"]


async def test_a_path_parameter_is_required() -> None:
    app = Application()
    with pytest.raises(InvalidRequest, match=r"^workerId: .*cannot be left out"):
        await call_of(app, {("path", "workerId"): ""})
    assert not app.scope


@pytest.mark.parametrize(
    ("value", "rule"),
    [("a\r\nx-admin: 1", "a header is one line"), ("\u4e2d", "only Latin-1"), ("a\0", "one line")],
)
async def test_a_header_is_one_line_of_latin_1(value: str, rule: str) -> None:
    app = Application()
    with pytest.raises(InvalidRequest, match=f"^Idempotency-Key: .*{rule}"):
        await call_of(app, WORKER | {("header", "Idempotency-Key"): value})
    assert not app.scope


async def test_the_size_of_a_body_is_limited_in_bytes() -> None:
    await call_of(Application(), WORKER, "x" * MAX_BODY)
    with pytest.raises(InvalidRequest, match=f"at most {MAX_BODY} bytes") as refused:
        await call_of(Application(), WORKER, "ü" * (MAX_BODY // 2) + "x")
    assert refused.value.problems[0].field == "body"


async def test_status_selected_headers_and_body_are_shown() -> None:
    headers = ((b"etag", b'"a"'), (b"server", b"x"), (b"content-type", b"text/\xe9"))
    call = await call_of(Application((b"\xff", "é".encode()), headers), WORKER)
    assert call.status == 202
    assert call.headers == [("content-type", "text/é"), ("etag", '"a"')]
    assert (call.text, call.cut) == ("\ufffdé", False)


async def test_only_a_body_above_the_shown_size_is_cut() -> None:
    whole = await call_of(Application((b"x" * (SHOWN_BYTES - 1), b"y")), WORKER)
    assert (len(whole.body), whole.cut) == (SHOWN_BYTES, False)
    app = Application((b"x" * SHOWN_BYTES, b"y"), follows=True)
    call = await call_of(app, WORKER)
    assert (len(call.body), call.cut) == (SHOWN_BYTES, True)
    assert app.disconnected, "the application was not notified"


async def test_an_endless_stream_is_cut_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground, "SECONDS", 0.01)
    call = await call_of(Application((b"first",), follows=True), WORKER)
    assert (call.status, call.text, call.cut) == (202, "first", True)
