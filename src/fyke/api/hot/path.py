"""Admits a request for a hot read and makes its answer, or leaves it to the full path.

A task, the middleware, the router and the generic reading of members cost several times more than
reading the state of a run. This path does the same steps in the same order with the same functions:
Host, rate limit and key, scope, body, read. It answers only success and "not
modified". Whatever it does not answer, an error included, is left to the full path, which takes
over the admission, so that nothing is counted or recorded twice.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import NamedTuple

import structlog
from starlette.types import Scope

from fyke.api.auth import INSIDE, RATE_FIELDS, AccessControl
from fyke.api.errors import Refusal
from fyke.api.etags import matches
from fyke.api.hot.kept import Encoded
from fyke.api.hot.route import Asked, HotAnswer, HotRead, HotRoute, Later
from fyke.api.network import Network, Visit, header
from fyke.api.serving import Operation
from fyke.api.transport import Headers, log_request, request_id_for
from fyke.api.v2.run_selector import ONE_RUN
from fyke.contracts.inline import NotInline
from fyke.errors import FykeError
from fyke.kit.ids import is_ulid

log = structlog.get_logger("fyke.api")

MAX_BODY = 1024  # bytes; much larger ones count as several requests
_DIGITS = 5  # fewer have a length that fits
_RUNS = ONE_RUN.partition("{")[0]
# of a body without a declared length, and of one that is refused
_UNUSUAL = frozenset({b"transfer-encoding", b"content-encoding"})


class FoundRoute(NamedTuple):
    """The route of a request, and the id of the run in its path."""

    route: HotRoute
    run_id: str


class HotPath:
    """See the module's docstring."""

    def __init__(
        self,
        reads: Iterable[HotRead],
        operations: Sequence[Operation],
        network: Network,
        access: AccessControl,
        hsts: Headers,
    ) -> None:
        declared = {(operation.method, operation.path): operation for operation in operations}
        self._exact: dict[tuple[str, str], FoundRoute] = {}
        self._of_run: dict[tuple[str, str], HotRoute] = {}  # by what follows the id of the run
        for read in reads:
            route = HotRoute(read, declared[read.method, read.path], hsts)
            if read.path.startswith(ONE_RUN):
                self._of_run[read.method, read.path.removeprefix(ONE_RUN)] = route
            else:
                self._exact[read.method, read.path] = FoundRoute(route, "")
        self._network = network
        self._access = access

    def find(self, scope: Scope) -> FoundRoute | None:
        """The route of a request whose body, if it has one, is small."""
        found = self._route_of(scope)
        if found is None or (found.route.has_body and not _has_small_body(scope)):
            return None
        return found

    def answer(
        self,
        found: FoundRoute,
        scope: Scope,
        body: bytes,
        done: Callable[[HotAnswer | None], None],
    ) -> None:
        """Call ``done`` with the answer to a request with this whole body, or None: before the
        return, or later if its read needs a moment.
        """
        started = perf_counter()
        try:
            visit = self._network.visit(scope)
        except Refusal:
            done(None)
            return
        route = found.route
        scope["route"] = route.operation
        caller = self._access.admit(scope)
        if caller is None or not route.operation.declaration.scopes <= caller.scopes:
            done(None)
            return
        sent = body if route.has_body else b""

        def reply(encoded: Encoded | None) -> None:
            done(None if encoded is None else _reply(route, scope, encoded, started, visit))

        encoded = _read(route.read, Asked(caller, found.run_id, sent, scope["query_string"]))
        if isinstance(encoded, Future):
            encoded.add_done_callback(lambda future: reply(future.result()))
        else:
            reply(encoded)

    def _route_of(self, scope: Scope) -> FoundRoute | None:
        if INSIDE in scope or scope.get("root_path"):
            return None
        path: str = scope["path"]
        if not path.startswith(_RUNS):
            return self._exact.get((scope["method"], path))
        run_id, slash, rest = path[len(_RUNS) :].partition("/")
        route = self._of_run.get((scope["method"], slash + rest))
        return FoundRoute(route, run_id) if route is not None and is_ulid(run_id) else None


def _reply(
    route: HotRoute, scope: Scope, encoded: Encoded, started: float, visit: Visit
) -> HotAnswer:
    request_id = request_id_for(scope)
    status = 304 if route.validated and _is_known(scope, encoded.tag) else 200
    secure = visit.origin.startswith("https://")
    reply = route.reply(status, encoded, request_id, scope[RATE_FIELDS], secure=secure)
    log_request(scope, status, started, request_id)
    return reply


def _has_small_body(scope: Scope) -> bool:
    """Whether the body has a declared length of at most ``MAX_BODY``, and no coding."""
    length = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name in _UNUSUAL:
            return False
    return length.isdigit() and len(length) < _DIGITS and int(length) <= MAX_BODY


def _is_known(scope: Scope, tag: str) -> bool:
    """Whether the client has the data with this tag."""
    known = header(scope, b"if-none-match")
    return known is not None and matches(known, tag)


def _read(read: HotRead, asked: Asked) -> Encoded | Later | None:
    try:
        return read.answer(asked)
    except (NotInline, FykeError):
        return None
    except Exception as error:
        log.warning("hot_read_failed", path=read.path, exc_info=error)
        return None
