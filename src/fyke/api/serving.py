"""Serves an operation: rate limit, credentials, syntax, members, handler, in this order."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from fyke.api import etags
from fyke.api.auth import KEY_PARAMETER, AccessControl
from fyke.api.call import Call
from fyke.api.decode import (
    MAX_BODY_BYTES,
    MAX_INPUT_BYTES,
    declared_size,
    parse_object,
    read_body,
    sent_names,
)
from fyke.api.envelope import FYKE_PREFIX, NULL, JsonBytes, dialect_of, encode
from fyke.api.errors import request_id
from fyke.api.members import Member, members_of, raise_problems, read_members, unknown_members
from fyke.api.network import Visit, header
from fyke.api.placeholders import placeholder_hints
from fyke.api.routes import (
    Declaration,
    DeclarationError,
    Json,
    attribute_of,
    declared_operations,
    id_of,
    texts_of,
)
from fyke.api.start_keys import start_key
from fyke.api.transport import VISIT
from fyke.domain.accounts.rights import require_scope
from fyke.domain.runs.start_keys import REPLAYED
from fyke.domain.runs.traces import REQUEST, read_request
from fyke.errors import Forbidden, NotFound
from fyke.model.account import Caller
from fyke.wire.fields import Answer
from fyke.wire.fields import Request as Shape

INPUT = "input"  # the member with the input of a run


@dataclass(frozen=True)
class Operation:
    """A declaration with its handler, and the types in the handler's signature."""

    declaration: Declaration
    handler: Callable[..., Any]
    tag: str

    @cached_property
    def id(self) -> str:
        return id_of(self.handler, self.declaration)

    @property
    def method(self) -> str:
        return self.declaration.method

    @property
    def path(self) -> str:
        return self.declaration.path

    @property
    def public(self) -> bool:
        return self.declaration.public

    @cached_property
    def strict(self) -> bool:
        """Whether unknown members of the body or query are refused; v1 and v2 ignore them."""
        return self.path.startswith(FYKE_PREFIX)

    @cached_property
    def texts(self) -> tuple[str, str]:
        """Summary and description."""
        return texts_of(self.handler, self.declaration)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return _hints_of(getattr(self.handler, "__func__", self.handler))

    @cached_property
    def path_members(self) -> tuple[Member, ...]:
        """The members that are read from the path."""
        return tuple(
            Member.of(attribute_of(name), name, self._hints[attribute_of(name)], required=True)
            for name in self.declaration.path_names
        )

    def path_type(self, name: str) -> Any:
        """The type of a parameter in the path."""
        return self._hints[attribute_of(name)]

    @cached_property
    def input_argument(self) -> tuple[str, type[Shape]] | None:
        """The argument for the body or query and its shape, or None."""
        arguments = [
            (name, hint)
            for name, hint in self._hints.items()
            if isinstance(hint, type) and issubclass(hint, Shape)
        ]
        if len(arguments) > 1:
            raise DeclarationError(f"{self.id} must take one shape, not {len(arguments)}")
        return arguments[0] if arguments else None

    @cached_property
    def answer_shapes(self) -> tuple[Any, ...]:
        """The shapes of ``data``; none for null and for answers without an envelope."""
        hint = self._hints["return"]
        choices = get_args(hint) if get_origin(hint) not in (None, Json) else (hint,)
        shapes = [
            get_args(choice)[0] if get_origin(choice) is Json else choice for choice in choices
        ]
        return tuple(
            shape
            for shape in shapes
            if shape is not NoneType
            and not (isinstance(shape, type) and issubclass(shape, Response))
        )

    @cached_property
    def answers_null(self) -> bool:
        """Whether ``data`` may be null."""
        hint = self._hints["return"]
        return hint is NoneType or NoneType in get_args(hint)

    @cached_property
    def _members(self) -> tuple[Member, ...]:
        return members_of(self.input_argument[1]) if self.input_argument else ()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(name for member in self._members for name in member.names)

    @cached_property
    def max_body(self) -> int:
        """The largest body in bytes; only the input of a run may be large."""
        return MAX_INPUT_BYTES if INPUT in self._names else MAX_BODY_BYTES

    @cached_property
    def _optional(self) -> bool:
        return not any(member.required for member in self._members)

    @cached_property
    def _repeated(self) -> frozenset[str]:
        return frozenset(
            name for member in self._members if member.repeated for name in member.names
        )

    def _admit(self, caller: Caller, visit: Visit) -> Caller:
        """The caller, with the address for the audit log if the operation may change something.

        Raises ``Forbidden`` if the key lacks a scope.
        """
        require_scope(caller, *sorted(self.declaration.scopes))
        return (
            caller if self.declaration.method == "GET" else replace(caller, address=visit.address)
        )

    async def _caller(self, request: Request, access: AccessControl, visit: Visit) -> Caller | None:
        if not self.declaration.public:
            return self._admit(await access.require(request.scope, visit.address), visit)
        caller = await access.recognise(request.scope, visit.address)
        # a key without the scope counts as no key
        return caller if caller is not None and self.declaration.scopes <= caller.scopes else None

    async def respond(self, request: Request, access: AccessControl) -> Response:
        """The response to one request."""
        visit: Visit = request.scope[VISIT]
        caller = await self._caller(request, access, visit)
        declaration = self.declaration
        received_at = time.time_ns() // 1_000_000
        body = b""
        if declaration.reads_json:
            body = await self._body(request, access)
            async with access.turn(len(body)):
                raw = parse_object(body, self._names, optional=self._optional)
        else:
            raw = query(request, self._repeated)
        arguments = self._arguments(raw, self._sent(raw, body), request.path_params)
        key = None
        if declaration.starts:
            key = start_key(request, body)
            REQUEST.set(read_request(header(request.scope, b"traceparent"), received_at))
        try:
            result = await self.handler(Call(request, visit, caller, key), **arguments)
        except NotFound as error:
            error.details = error.details or placeholder_hints({**request.path_params, **raw})
            raise
        if isinstance(result, Response):
            return result
        data = _data(result)
        response = JsonBytes(dialect_of(declaration.path).success(data, request_id(request)))
        if key is not None and key.replayed:
            response.headers[REPLAYED] = "true"
        return etags.validate(request, data, response) if declaration.validated else response

    def _sent(self, raw: Mapping[str, Any], body: bytes) -> Iterable[str]:
        """The sent names that are refused if they are unknown; none unless ``strict``."""
        if not self.strict:
            return ()
        if self.declaration.reads_json:
            return sent_names(body)
        return [name for name in raw if name != KEY_PARAMETER]

    async def _body(self, request: Request, access: AccessControl) -> bytes:
        """The body, counted by its size before it is read. Raises ``RateLimited``, ``Refusal``."""
        declared = declared_size(request)
        access.charge(request.scope, min(declared or 0, self.max_body))
        body = await read_body(request, self.max_body)
        if declared is None:
            access.charge(request.scope, len(body))
        return body

    def _arguments(
        self, raw: Mapping[str, Any], sent: Iterable[str], path: Mapping[str, Any]
    ) -> dict[str, Any]:
        noun = "member" if self.declaration.reads_json else "parameter"
        problems = unknown_members(self._members, sent, noun)
        values = read_members(self._members, raw, problems)
        arguments = read_members(self.path_members, path, problems)
        raise_problems(problems)
        if self.input_argument is not None:
            name, shape = self.input_argument
            arguments[name] = shape(**values)
        return arguments


@cache
def _hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function, include_extras=True)


def _data(answer: Answer | Json[Any] | None) -> bytes:
    if answer is None:
        return NULL
    return answer.data if isinstance(answer, Json) else encode(answer)


def operations_of(routes: object) -> list[Operation]:
    """The operations that the methods of ``routes`` declare; ``routes.tag`` is the default."""
    default_tag = getattr(routes, "tag", "")
    operations = [
        Operation(declaration, handler, declaration.tag or default_tag)
        for declaration, handler in declared_operations(routes)
    ]
    for operation in operations:
        if not (operation.tag and operation.texts[0]):
            raise DeclarationError(f"{operation.id} must have a tag and a docstring")
    return operations


def query(request: Request, repeated: frozenset[str]) -> dict[str, Any]:
    """The query by name: the first value of a name, or a list for names in ``repeated``."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in repeated:
            values.setdefault(name, []).append(value)
        else:
            values.setdefault(name, value)
    return values


class _Endpoint:
    """An operation as a bare ASGI application."""

    def __init__(self, operation: Operation, access: AccessControl) -> None:
        self._operation = operation
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._operation  # the access log contains its path
        try:
            response = await self._operation.respond(Request(scope, receive), self._access)
        except Forbidden as error:
            await self._access.record_forbidden(scope, scope[VISIT].address, error)
            raise
        await response(scope, receive, send)


def mount(app: Starlette, operations: Sequence[Operation], access: AccessControl) -> None:
    """Add a route for each operation: the hot ones first, then the aliases.

    Aliases come before the other routes, because a parameter in their paths would match an alias.
    """
    routes = app.router.routes
    routes.extend(_routes(operations, access, hot=True))
    for operation in operations:
        for path in operation.declaration.aliases:
            routes.append(Route(path, _Endpoint(operation, access), methods=[operation.method]))
    routes.extend(_routes(operations, access, hot=False))


class _Route(Route):
    """Does not match paths that another operation has without parameters, for any method."""

    exact: frozenset[str] = frozenset()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE, {}) if scope["path"] in self.exact else super().matches(scope)


@cache
def _paths_matching(path: re.Pattern[str], paths: frozenset[str]) -> frozenset[str]:
    return frozenset(filter(path.match, paths))


def _routes(
    operations: Sequence[Operation], access: AccessControl, *, hot: bool
) -> Iterable[Route]:
    exact = frozenset(
        operation.path for operation in operations if not operation.declaration.path_names
    )
    for operation in operations:
        if operation.declaration.hot is hot:
            route = _Route(operation.path, _Endpoint(operation, access), methods=[operation.method])
            if operation.declaration.path_names:
                route.exact = _paths_matching(route.path_regex, exact)
            if not hot and route.methods:
                route.methods.discard("HEAD")
            yield route
