"""Declares operations: functions with a method, a path, a scope and errors.

    @post("/api/v1/run/detail", scope=Scope.READ, errors=(RunNotFound,))
    async def get_run_v1(self, call: Call, body: v1.RunRef) -> v1.RunDetail:
        '''State and figures of a run.'''

The annotations give the types of the input and the answer. The argument with a ``Request`` type is
read from the JSON body of a POST, PUT or PATCH and from the query otherwise; every parameter in the
path has an argument of its name. The first sentence of the docstring is the summary in the OpenAPI
document, the rest the description; the name of the function in camel case is the operation id.

A scope is required, and ``PUBLIC`` must be explicit: an operation without a scope fails at import
instead of becoming public.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, partial
from typing import Any, Final, Generic, TypedDict, TypeVar, Unpack

from starlette.responses import Response

from fyke.api.envelope import encode
from fyke.api.media import Media
from fyke.errors import FykeError
from fyke.model.account import Scope
from fyke.wire.fields import Answer

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DECLARED = "__operations__"
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

T = TypeVar("T", bound=Answer)


class Access(Enum):
    """The access to an operation that requires no scope."""

    PUBLIC = "public"


PUBLIC: Final = Access.PUBLIC


class Json(Generic[T]):
    """An encoded answer, which several requests can share."""

    __slots__ = ("data",)

    def __init__(self, answer: T) -> None:
        self.data = encode(answer)


Reply = Answer | Json[Any] | Response | None
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Reply]])


class DeclarationError(Exception):
    """An operation is declared wrongly; raised at import."""


class Options(TypedDict, total=False):
    """The options of a decorator besides method, path and scope.

    ``id`` and ``tag`` replace the name of the function and the tag of its class; ``subject``
    replaces ``{run}`` in the docstring. ``errors``: in addition to those of every operation.
    ``starts``: accepts an ``Idempotency-Key``, which the handler passes on. ``validated``: the
    answer has an ``ETag``. ``hot``: routed first, and answers HEAD too. ``aliases``: other paths
    that old clients use. ``consumes``: the types of a body that the handler reads itself.
    ``produces``: the types of an answer without an envelope. ``statuses``: the answers without a
    body. ``headers``: the request headers that the handler reads. ``documented``: whether the
    OpenAPI documents contain it.
    """

    id: str
    tag: str
    subject: str
    errors: Sequence[type[FykeError]]
    hot: bool
    starts: bool
    validated: bool
    aliases: Sequence[str]
    consumes: Sequence[Media]
    produces: Sequence[Media]
    statuses: Mapping[int, str]
    headers: Mapping[str, str]
    documented: bool


@dataclass(frozen=True, slots=True)
class Declaration:
    """An operation as its decorator declares it; see ``Options``.

    A ``public`` operation has a caller if the key has ``scopes``; all others require such a key.
    """

    method: str
    path: str
    public: bool
    scopes: frozenset[Scope]
    id: str = ""
    tag: str = ""
    subject: str = ""
    errors: Sequence[type[FykeError]] = ()
    hot: bool = False
    starts: bool = False
    validated: bool = False
    aliases: Sequence[str] = ()
    consumes: Sequence[Media] = ()
    produces: Sequence[Media] = ()
    statuses: Mapping[int, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    documented: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DeclarationError(f"{self.path}: unknown method {self.method}")
        if not self.scopes:
            raise DeclarationError(f"{self.method} {self.path} must name a scope, or PUBLIC")

    @property
    def reads_json(self) -> bool:
        """Whether the operation takes a JSON body."""
        return self.method in ("POST", "PUT", "PATCH") and not self.consumes

    @property
    def path_names(self) -> list[str]:
        """The names of the parameters in the path."""
        return _PARAMETER.findall(self.path)


def operation(
    method: str, path: str, *, scope: Scope | frozenset[Scope] | Access, **options: Unpack[Options]
) -> Callable[[Handler], Handler]:
    """Declare a function as an operation."""
    declaration = Declaration(
        method, path, scope is PUBLIC, _scopes(method, path, scope), **options
    )

    def declare(handler: Handler) -> Handler:
        vars(handler).setdefault(_DECLARED, []).insert(0, declaration)
        return handler

    return declare


get = partial(operation, "GET")
post = partial(operation, "POST")
put = partial(operation, "PUT")
patch = partial(operation, "PATCH")
delete = partial(operation, "DELETE")


def _scopes(method: str, path: str, scope: object) -> frozenset[Scope]:
    if scope is PUBLIC:
        return frozenset({Scope.READ})  # a key that may not read counts as no key
    if isinstance(scope, Scope):
        return frozenset({scope})
    if isinstance(scope, frozenset) and all(isinstance(item, Scope) for item in scope):
        return scope
    raise DeclarationError(f"{method} {path}: scope must be a Scope, several, or PUBLIC")


def declared_operations(routes: object) -> list[tuple[Declaration, Callable[..., Any]]]:
    """The operations that the methods of ``routes`` declare, in order, each with its handler."""
    return [
        (item, getattr(routes, name))
        for name, member in vars(type(routes)).items()
        for item in getattr(member, _DECLARED, ())
    ]


def texts_of(handler: Callable[..., Any], declaration: Declaration) -> tuple[str, str]:
    """Summary and description, from the docstring of the handler."""
    return _texts(handler.__doc__ or "", declaration.subject)


@cache
def _texts(docstring: str, subject: str) -> tuple[str, str]:
    text = inspect.cleandoc(docstring).replace("{run}", subject)
    summary, _, description = text.partition("\n\n")
    return " ".join(summary.split()).rstrip("."), " ".join(description.split())


def id_of(handler: Callable[..., Any], declaration: Declaration) -> str:
    """The operation id: as declared, or the name of the function in camel case."""
    first, *others = str(getattr(handler, "__name__", "")).split("_")
    return declaration.id or first + "".join(word.capitalize() for word in others)


def attribute_of(name: str) -> str:
    """The argument for a parameter of a path: ``worker_id`` for ``workerId``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
