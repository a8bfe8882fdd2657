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

from fyke.api.auth import INSIDE, RATE_FIELDS, AccessControl, credential
from fyke.api.errors import Refusal
from fyke.api.etags import matches
from fyke.api.hot.kept import Encoded
from fyke.api.hot.repeated import HotRequest, RepeatedRequests
from fyke.api.hot.route import Asked, HotAnswer, HotRead, HotRoute, Later, Question
from fyke.api.network import Network, header
from fyke.api.request_meter import RequestMeter
from fyke.api.serving import Operation
from fyke.api.transport import Headers, log_request, proposed_id
from fyke.api.v2.run_selector import ONE_RUN
from fyke.contracts.inline import NotInline
from fyke.domain.accounts.keys import digest as digest_of
from fyke.errors import FykeError
from fyke.kit.ids import is_ulid, new_unordered_ulid
from fyke.model.account import Caller

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
        meter: RequestMeter,
    ) -> None:
        self._meter = meter
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
        self._repeated: dict[tuple[str | None, bool], RepeatedRequests] = {}

    def repeated(self, scheme: str | None, peer: str) -> RepeatedRequests:
        """The requests that may be repeated on a connection: equal bytes mean the same there."""
        return self._repeated.setdefault((scheme, self._network.trusts(peer)), RepeatedRequests())

    def find(self, scope: Scope) -> FoundRoute | None:
        """The route of a request whose body, if it has one, is small."""
        found = self._route_of(scope)
        if found is None or (found.route.has_body and not _has_small_body(scope)):
            return None
        return found

    def request(self, found: FoundRoute, scope: Scope, body: bytes) -> HotRequest | None:
        """What a request with this whole body says; None: the full path answers it."""
        route = found.route
        key = credential(scope)
        if not key:
            return None
        try:
            visit = self._network.visit(scope)
        except Refusal:
            return None
        sent = body if route.has_body else b""
        question = _question(route.read, Asked(found.run_id, sent, scope["query_string"]))
        if question is None:
            return None
        known = header(scope, b"if-none-match") if route.validated else None
        secure = visit.origin.startswith("https://")
        return HotRequest(route, question, digest_of(key), known, proposed_id(scope), secure)

    def answer(
        self, request: HotRequest, scope: Scope, done: Callable[[HotAnswer | None], None]
    ) -> None:
        """Call ``done`` with the answer, or None: before the return, or later if the read needs a
        moment. Everything that the request does not say is decided now: whether its key is valid,
        the limits, what the stores contain. ``scope`` gets the admission.
        """
        started = perf_counter()
        caller = self._admit(request, scope)
        if caller is None or not request.route.scopes <= caller.scopes:
            done(None)
            return
        encoded = _read(request, caller)
        if isinstance(encoded, Future):
            encoded.add_done_callback(
                lambda future: done(self._reply(request, scope, future.result(), started))
            )
        else:
            done(self._reply(request, scope, encoded, started))

    def _reply(
        self, request: HotRequest, scope: Scope, encoded: Encoded | None, started: float
    ) -> HotAnswer | None:
        if encoded is None:
            return None
        route, known = request.route, request.if_none_match
        request_id = request.request_id or new_unordered_ulid()
        status = 200 if known is None or not matches(known, encoded.tag) else 304
        reply = route.reply(status, encoded, request_id, scope[RATE_FIELDS], secure=request.secure)
        log_request(route.operation.method, route.operation, status, started, request_id)
        self._meter.count(route.route_class, status, perf_counter() - started)
        return reply

    def _admit(self, request: HotRequest, scope: Scope) -> Caller | None:
        try:
            return self._access.admit(request.key_digest, scope)
        except Exception as error:  # of the look-up of the key; the full path reports it
            log.warning("hot_read_failed", path=request.route.read.path, exc_info=error)
            return None

    def _route_of(self, scope: Scope) -> FoundRoute | None:
        if INSIDE in scope or scope.get("root_path"):
            return None
        path: str = scope["path"]
        if not path.startswith(_RUNS):
            return self._exact.get((scope["method"], path))
        run_id, slash, rest = path[len(_RUNS) :].partition("/")
        route = self._of_run.get((scope["method"], slash + rest))
        return FoundRoute(route, run_id) if route is not None and is_ulid(run_id) else None


def _has_small_body(scope: Scope) -> bool:
    """Whether the body has a declared length of at most ``MAX_BODY``, and no coding."""
    length = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name in _UNUSUAL:
            return False
    return length.isdigit() and len(length) < _DIGITS and int(length) <= MAX_BODY


def _question(read: HotRead, asked: Asked) -> Question | None:
    try:
        return read.question(asked)
    except FykeError:
        return None
    except Exception as error:
        log.warning("hot_read_failed", path=read.path, exc_info=error)
        return None


def _read(request: HotRequest, caller: Caller) -> Encoded | Later | None:
    try:
        return request.question(caller)
    except (NotInline, FykeError):
        return None
    except Exception as error:
        log.warning("hot_read_failed", path=request.route.read.path, exc_info=error)
        return None
