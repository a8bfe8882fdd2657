"""Operations: declared once, documented by FastAPI, answered by one short path.

An ``Operation`` names its method, path, models and handler. ``mount`` makes a FastAPI route of it;
the hottest reads also get a plain Starlette route ahead of that, running the same ``respond``
without the framework's overhead. Both give the same bytes. ``described`` makes the routes from
which FastAPI writes the document.

Every operation asks for credentials unless its method and path stand, letter for letter, in
``PUBLIC``: forgetting something here closes a door, it never opens one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from fyke.api import documents, etags
from fyke.api.auth import Gate
from fyke.api.call import Call
from fyke.api.decode import Wire, decode, parse_object, read_body, repeatable
from fyke.api.envelope import JsonBytes, dialect_of
from fyke.api.errors import request_id, table_of
from fyke.api.media import RequestHeader
from fyke.api.network import Visit
from fyke.api.scopes import scopes_of
from fyke.api.start_keys import DESCRIBED, start_key
from fyke.api.transport import VISIT
from fyke.api.wire_errors import WireError
from fyke.domain.accounts.rights import require_scope
from fyke.domain.runs.start_keys import HEADER, REPLAYED
from fyke.errors import Conflict
from fyke.model.account import Caller
from fyke.model.account import Scope as KeyScope

Fields = TypeVar("Fields", bound=Wire)

PUBLIC: frozenset[tuple[str, str]] = frozenset(
    {
        ("GET", "/files/{token}/{name}"),
    }
)


class Nothing(Wire):
    """The fields of an operation that takes none."""


Handler = Callable[[Call, Fields], Awaitable[bytes | Response]]


@dataclass(frozen=True, slots=True)
class Operation(Generic[Fields]):
    """What one method and path does.

    ``fields`` is read from the JSON body of a POST, PUT or PATCH, and from the query else; a
    handler that reads the body itself (``raw_body``) gets the query. It returns the ``data`` of
    the answer as JSON, which is wrapped in the dialect of the path, or a whole response. ``answer``
    documents ``data``; ``errors`` adds to the ones that every operation of its dialect has.
    ``starts``: it takes an ``Idempotency-Key``, which its handler hands on. ``validated``: its
    answer has an ``ETag``, see ``etags.py``.

    The rest is for the document alone: ``consumes`` and ``produces`` name what a raw body may be
    and what is answered instead of an envelope, ``statuses`` the answers without a body,
    ``headers`` the request headers that the handler reads. ``documented=False`` leaves the
    operation out.
    """

    method: str
    path: str
    id: str
    tag: str
    summary: str
    fields: type[Fields]
    handler: Handler[Fields]
    answer: type[BaseModel] | None = None
    errors: Sequence[WireError] = ()
    hot: bool = False
    raw_body: bool = False
    starts: bool = False
    validated: bool = False
    description: str = ""
    path_fields: tuple[str, ...] = field(default=())
    aliases: tuple[str, ...] = ()  # other paths that old clients use for it, not documented
    consumes: Sequence[documents.Media] = ()
    produces: Sequence[documents.Media] = ()
    statuses: Mapping[int, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    documented: bool = True

    @property
    def public(self) -> bool:
        return (self.method, self.path) in PUBLIC

    @property
    def scopes(self) -> frozenset[KeyScope]:
        """What a key must be good for."""
        return scopes_of(self.method, self.path)

    @property
    def reads_json(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH") and not self.raw_body

    @property
    def all_headers(self) -> Mapping[str, RequestHeader]:
        """Every request header that means something here."""
        plain = {**self.headers, **(etags.IF_NONE_MATCH if self.validated else {})}
        found = {name: RequestHeader(text) for name, text in plain.items()}
        return found | {HEADER: DESCRIBED} if self.starts else found

    @property
    def all_errors(self) -> Sequence[WireError]:
        """Every error that is not common to all operations."""
        if not self.starts:
            return self.errors
        return (*self.errors, table_of(self.path).row(Conflict()))

    @property
    def all_statuses(self) -> Mapping[int, str]:
        """Every answer without a body, with its description."""
        return {**self.statuses, **(etags.NOT_MODIFIED if self.validated else {})}

    def _admit(self, caller: Caller, visit: Visit) -> Caller:
        """The caller, when their key is for this; with their address when it will be noted."""
        for scope in sorted(self.scopes - caller.scopes):
            require_scope(caller, scope)
        return caller if self.method == "GET" else replace(caller, address=visit.address)

    async def respond(self, request: Request, gate: Gate) -> Response:
        """Limit, credentials, syntax, fields, handler: in this order."""
        visit: Visit = request.scope[VISIT]
        caller: Caller | None
        if self.public:
            caller = await gate.recognise(request.scope, visit.address)
            if caller is not None and not self.scopes <= caller.scopes:
                caller = None  # whoever may not read sees what everybody sees
        else:
            caller = self._admit(await gate.require(request.scope, visit.address), visit)
        given: Mapping[str, Any]
        raw = await read_body(request) if self.reads_json else b""
        given = parse_object(raw) if self.reads_json else _query(request, repeatable(self.fields))
        if self.path_fields:
            given = {**given, **request.path_params}
        wanted = decode(self.fields, given)
        key = start_key(request, raw) if self.starts else None
        body = await self.handler(Call(request, visit, caller, key), wanted)
        if isinstance(body, Response):
            return body
        answer = JsonBytes(dialect_of(self.path).success(body, request_id(request)))
        if key is not None and key.replayed:
            answer.headers[REPLAYED] = "true"
        return etags.validate(request, body, answer) if self.validated else answer


def _query(request: Request, lists: frozenset[str]) -> dict[str, Any]:
    """The query by name; of a repeated name the first counts, but all of those in ``lists``."""
    found: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in lists:
            found.setdefault(name, []).append(value)
        else:
            found.setdefault(name, value)
    return found


class _Endpoint:
    """An operation as a bare ASGI application."""

    def __init__(self, operation: Operation[Any], gate: Gate) -> None:
        self._operation = operation
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._operation  # whose path the access log names
        response = await self._operation.respond(Request(scope, receive), self._gate)
        await response(scope, receive, send)


def mount(app: FastAPI, operations: Sequence[Operation[Any]], gate: Gate) -> None:
    """Add the operations to ``app``, hot ones first."""
    routes = app.router.routes
    routes.extend(_routes(operations, gate, hot=True))
    # an alias is spelled out where another operation's path has a parameter, so it goes first
    for operation in operations:
        for path in operation.aliases:
            routes.append(Route(path, _Endpoint(operation, gate), methods=[operation.method]))
    routes.extend(_routes(operations, gate, hot=False))


def _routes(operations: Sequence[Operation[Any]], gate: Gate, *, hot: bool) -> Iterator[Route]:
    for operation in operations:
        if operation.hot is hot:
            endpoint = _Endpoint(operation, gate)
            route = Route(operation.path, endpoint, methods=[operation.method])
            if not hot and route.methods:
                route.methods.discard("HEAD")
            yield route


def described(operations: Sequence[Operation[Any]], gate: Gate) -> Sequence[BaseRoute]:
    """The routes once more, with all that the document says of them.

    FastAPI reads the signature of each endpoint and makes a validator of each model, which costs
    more than all else of a start; so only the document has its routes, made when it is asked for.
    """
    router = APIRouter()
    for operation in operations:
        _declare(router, operation, gate, **_said_of(operation))
    return router.routes


def _declare(router: APIRouter, operation: Operation[Any], gate: Gate, **said: Any) -> None:
    async def endpoint(request: Request) -> Response:
        return await operation.respond(request, gate)

    router.add_api_route(
        operation.path,
        endpoint,
        methods=[operation.method],
        operation_id=operation.id,
        name=operation.id,
        response_model=None,
        include_in_schema=operation.documented,
        **said,
    )


def _said_of(operation: Operation[Any]) -> dict[str, Any]:
    return {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "response_class": Response if operation.produces else JsonBytes,
        "responses": documents.responses(
            operation.answer,
            operation.all_errors,
            dialect_of(operation.path),
            takes_body=operation.reads_json or operation.raw_body,
            produces=operation.produces,
            statuses=operation.all_statuses,
        ),
        "openapi_extra": documents.request(
            operation.fields,
            in_body=operation.reads_json,
            path_fields=operation.path_fields,
            consumes=operation.consumes,
            headers=operation.all_headers,
        ),
    }
