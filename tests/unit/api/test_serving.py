"""Serving an operation: access, arguments and routing."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from fyke.api.auth import INSIDE, AccessControl
from fyke.api.call import Call
from fyke.api.errors import on_fyke_error
from fyke.api.ratelimit import TokenBuckets
from fyke.api.routes import PUBLIC, DeclarationError, Json, get, post, put
from fyke.api.serving import Operation, mount, operations_of, query
from fyke.api.transport import VISIT
from fyke.errors import FykeError, InvalidFields, InvalidKey, MissingKey, RunNotFound, ScopeMissing
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller, Role, Scope
from fyke.wire import v1
from fyke.wire.common import PageQuery
from fyke.wire.fields import Name
from fyke.wire.v2.fields import PageRequest
from fyke.wire.v2.workers import PageForm
from support.refusals import RecordedRefusals
from support.views import VISIT as PEER
from support.views import scope_of

pytestmark = pytest.mark.anyio


def caller_with(*scopes: Scope) -> Caller:
    return Caller("a", "acme", False, "u", "k", Role.MEMBER, scopes=frozenset(scopes))


READER, WRITER = caller_with(Scope.READ), caller_with(Scope.READ, Scope.WRITE)


class Routes:
    tag: ClassVar[str] = "Runs"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @get("/api/v1/things/{thingId}", scope=Scope.READ, validated=True)
    async def get_thing(self, call: Call, thing_id: Name) -> v1.RunRef | None:
        """One thing."""
        self.calls.append(call)
        if thing_id != "x":
            raise RunNotFound
        return None

    @post("/api/v1/things", scope=Scope.WRITE, starts=True)
    async def create_thing(self, call: Call, body: v1.RunRef) -> Json[v1.RunStarted]:
        """Make a thing."""
        self.calls.append(call)
        if call.start_key is not None:
            call.start_key.replayed = call.start_key.text == "again"
        return Json(v1.RunStarted(body.run_slug))

    @post("/api/fyke/things", scope=frozenset({Scope.WRITE, Scope.ADMIN}))
    async def create_fyke_thing(self, call: Call, body: v1.RunRef) -> v1.RunStarted:
        """Create a thing of Fyke."""
        return v1.RunStarted(body.run_slug)

    @get("/api/fyke/things", scope=Scope.READ)
    async def list_fyke_things(self, call: Call, query: PageQuery) -> Response:
        """All things of Fyke."""
        return Response(f"{query.page_size}")

    @get("/api/v2/store", scope=PUBLIC)
    async def list_store(self, call: Call, query: PageRequest) -> Response:
        """All Workers."""
        self.calls.append(call)
        return Response(f"{query.offset}")


class Keys:
    """The accounts of the two keys."""

    async def authenticate(self, key_text: str, key_digest: str = "") -> Caller:
        if key_text not in ("reader", "writer"):
            raise InvalidKey
        return READER if key_text == "reader" else WRITER


@pytest.fixture
def access() -> AccessControl:
    clock = ManualClock()
    buckets = TokenBuckets(0, 1, clock)
    return AccessControl(Keys(), buckets, buckets, RecordedRefusals())


@pytest.fixture
def routes() -> Routes:
    return Routes()


def operation(routes: Routes, name: str) -> Operation:
    return next(item for item in operations_of(routes) if item.id == name)


def request(
    method: str,
    path: str,
    *,
    key: str = "",
    body: Any = None,
    parameters: dict[str, str] | None = None,
    **more: Any,
) -> Request:
    headers = ({"api-key": key} if key else {}) | more.pop("headers", {})
    scope = scope_of(method, path, more.pop("query", ()), headers)
    scope |= {VISIT: PEER, "path_params": parameters or {}}

    async def receive() -> Any:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return {"type": "http.request", "body": sent, "more_body": False}

    return Request(scope, receive)


async def test_an_operation_that_is_not_public_requires_a_key_with_its_scope(
    routes: Routes, access: AccessControl
) -> None:
    make = operation(routes, "createThing")
    body = {"run_slug": "x"}
    with pytest.raises(MissingKey):
        await make.respond(request("POST", "/api/v1/things", body=body), access)
    with pytest.raises(ScopeMissing, match="write"):
        await make.respond(request("POST", "/api/v1/things", key="reader", body=body), access)
    assert routes.calls == []
    answer = await make.respond(request("POST", "/api/v1/things", key="writer", body=body), access)
    assert json.loads(answer.body)["data"] == {"run_slug": "x"}


async def test_a_refused_caller_is_recorded(routes: Routes) -> None:
    refusals, buckets = RecordedRefusals(), TokenBuckets(0, 1, ManualClock())
    app = Starlette(exception_handlers={FykeError: on_fyke_error})
    mount(app, operations_of(routes), AccessControl(Keys(), buckets, buckets, refusals))
    statuses = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    for key in ("reader", "writer", "nobody"):
        made = request("POST", "/api/v1/things", key=key, body={"run_slug": "x"})
        await app(made.scope, made.receive, send)
    assert [status for status in statuses if status] == [401, 200, 401]
    operation = "POST /api/v1/things"
    [(who, address, found, why)] = refusals.of_callers
    assert (who, address, found) == (READER.key_id, PEER.address, operation)
    assert '"write"' in why
    assert refusals.without_key == [(PEER.address, operation, "The API key is not valid")]


async def test_every_scope_of_an_operation_is_required(
    routes: Routes, access: AccessControl
) -> None:
    create = operation(routes, "createFykeThing")
    with pytest.raises(ScopeMissing, match="admin"):
        await create.respond(request("POST", "/api/fyke/things", key="writer", body={}), access)


async def test_credentials_are_checked_before_the_body_is_read(
    routes: Routes, access: AccessControl
) -> None:
    with pytest.raises(MissingKey):
        await operation(routes, "createThing").respond(
            request("POST", "/api/v1/things", body=b"{"), access
        )


async def test_the_caller_has_an_address_unless_the_method_is_get(
    routes: Routes, access: AccessControl
) -> None:
    body = {"run_slug": "x"}
    await operation(routes, "createThing").respond(
        request("POST", "/api/v1/things", key="writer", body=body), access
    )
    await operation(routes, "getThing").respond(
        request("GET", "/api/v1/things/x", key="reader", parameters={"thingId": "x"}), access
    )
    assert [call.caller.address for call in routes.calls] == [PEER.address, ""]


async def test_a_public_operation_has_a_caller_if_the_key_has_the_read_scope(
    routes: Routes, access: AccessControl
) -> None:
    store = operation(routes, "listStore")
    for key in ("reader", "wrong", ""):
        await store.respond(request("GET", "/api/v2/store", key=key), access)
    inside = request("GET", "/api/v2/store")
    inside.scope[INSIDE] = caller_with(Scope.RUN)
    await store.respond(inside, access)
    assert [call.optional_caller for call in routes.calls] == [READER, None, None, None]


async def test_all_problems_of_a_body_are_reported_at_once(
    routes: Routes, access: AccessControl
) -> None:
    invalid = request("POST", "/api/fyke/things", body={"colour": "red"})
    invalid.scope[INSIDE] = caller_with(Scope.WRITE, Scope.ADMIN)
    with pytest.raises(InvalidFields) as refused:
        await operation(routes, "createFykeThing").respond(invalid, access)
    details = " ".join(refused.value.details or ())
    assert "colour" in details and "run_slug" in details


async def test_an_unknown_parameter_is_refused(routes: Routes, access: AccessControl) -> None:
    things = operation(routes, "listFykeThings")
    for name, remedy in (
        ("limit", "the parameters are page_index, page_size"),
        ("pagesize", "did you mean page_size?"),
    ):
        invalid = request("GET", "/api/fyke/things", key="reader", query={name: "2"})
        with pytest.raises(InvalidFields) as refused:
            await things.respond(invalid, access)
        assert refused.value.details == [f"{name}: unknown parameter; {remedy}"]
    valid = request("GET", "/api/fyke/things", query={"token": "reader", "page_size": "2"})
    assert (await things.respond(valid, access)).body == b"2"


async def test_unknown_members_are_ignored_in_the_published_versions(
    routes: Routes, access: AccessControl
) -> None:
    store = request("GET", "/api/v2/store", query={"colour": "red"})
    assert (await operation(routes, "listStore").respond(store, access)).status_code == 200
    body = {"run_slug": "x", "colour": "red"}
    answer = await operation(routes, "createThing").respond(
        request("POST", "/api/v1/things", key="writer", body=body), access
    )
    assert answer.status_code == 200


async def test_the_answer_to_a_repeated_start_has_a_header(
    routes: Routes, access: AccessControl
) -> None:
    make = operation(routes, "createThing")

    async def replayed(headers: dict[str, str]) -> str | None:
        start = request(
            "POST", "/api/v1/things", key="writer", body={"run_slug": "x"}, headers=headers
        )
        return (await make.respond(start, access)).headers.get("idempotency-replayed")

    assert await replayed({"idempotency-key": "again"}) == "true"
    assert await replayed({"idempotency-key": "first"}) is None
    assert await replayed({}) is None


async def test_unchanged_data_is_answered_with_304(routes: Routes, access: AccessControl) -> None:
    get_thing = operation(routes, "getThing")

    async def ask(**headers: str) -> Response:
        conditional = request(
            "GET", "/api/v1/things/x", key="reader", parameters={"thingId": "x"}, headers=headers
        )
        return await get_thing.respond(conditional, access)

    first = await ask()
    again = await ask(**{"if-none-match": first.headers["etag"]})
    assert json.loads(first.body)["data"] is None
    assert (again.status_code, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("name", "details"),
    [
        ("gone", []),
        ("{{thing}}", ["thingId: {{thing}} is a placeholder; replace it with the real value"]),
    ],
)
async def test_an_error_for_a_placeholder_id_has_a_hint(
    routes: Routes, access: AccessControl, name: str, details: list[str]
) -> None:
    placeholder = request("GET", "/x", key="reader", parameters={"thingId": name})
    with pytest.raises(RunNotFound) as missing:
        await operation(routes, "getThing").respond(placeholder, access)
    assert list(missing.value.details or ()) == details


def test_a_query_has_the_first_value_of_a_name_or_a_list_of_a_repeated_name() -> None:
    repeated = request(
        "GET", "/", query=[("a", "1"), ("b", "2"), ("a", "3"), ("b", "4"), ("c", "")]
    )
    assert query(repeated, frozenset({"b"})) == {"a": "1", "b": ["2", "4"], "c": ""}
    assert query(request("GET", "/"), frozenset({"b"})) == {}


def test_answer_shapes_are_the_return_types_except_responses_and_none() -> None:
    class Answers:
        tag = "Runs"

        @get("/a", scope=Scope.READ)
        async def either(self, call: Call) -> v1.RunRef | Json[v1.RunStarted] | None:
            """Either."""

        @get("/b", scope=Scope.READ)
        async def file(self, call: Call) -> Response:
            """A file."""

        @get("/c", scope=Scope.READ)
        async def one(self, call: Call) -> Json[v1.RunStarted]:
            """One."""

        @get("/d", scope=Scope.READ)
        async def nothing(self, call: Call) -> None:
            """Nothing."""

    answers = {item.id: item.answer_shapes for item in operations_of(Answers())}
    assert answers == {
        "either": (v1.RunRef, v1.RunStarted), "file": (), "one": (v1.RunStarted,), "nothing": (),
    }  # fmt: skip


def test_the_repeated_members_are_those_of_the_input_shape() -> None:
    class Search:
        @get("/x", scope=Scope.READ, tag="Runs")
        async def x(self, call: Call, query: PageForm) -> None:
            """Something."""

    assert operations_of(Search())[0]._repeated == {"categories"}


def test_an_operation_with_two_input_shapes_is_an_error() -> None:
    class Two:
        @post("/x", scope=Scope.WRITE, tag="Runs")
        async def x(self, call: Call, one: v1.RunRef, two: PageRequest) -> None:
            """Something."""

    [operation] = operations_of(Two())
    with pytest.raises(DeclarationError, match="x must take one shape, not 2"):
        _ = operation.input_argument


class Mounted:
    tag: ClassVar[str] = "Runs"

    @get("/runs/{runId}", scope=Scope.READ)
    async def one(self, call: Call, run_id: Name) -> None:
        """One run."""

    @put("/runs/last", scope=Scope.WRITE)
    async def last(self, call: Call) -> None:
        """The last run."""

    @get("/rows/{runId}", scope=Scope.READ, hot=True, aliases=("/runs/rows",))
    async def rows(self, call: Call, run_id: Name) -> None:
        """Its rows."""


@pytest.mark.parametrize(
    ("method", "path", "operation_id"),
    [
        ("GET", "/runs/x", "one"),
        ("PUT", "/runs/last", "last"),
        ("GET", "/runs/last", None),  # not the run whose id is "last"
        ("GET", "/runs/rows", "rows"),
        ("GET", "/rows/x", "rows"),
        ("HEAD", "/rows/x", "rows"),
        ("HEAD", "/runs/x", None),
    ],
)
def test_a_literal_path_takes_precedence_over_a_parameter(
    access: AccessControl, method: str, path: str, operation_id: str | None
) -> None:
    app = Starlette()
    mount(app, operations_of(Mounted()), access)
    scope = {**scope_of(method, path), "root_path": ""}
    matched = [
        route.endpoint._operation.id
        for route in app.router.routes
        if route.matches(scope)[0] is Match.FULL
    ]
    assert matched[:1] == ([operation_id] if operation_id else [])
