"""The outermost layer: request id, Host, CORS, the access log, and unexpected errors.

Plain ASGI, because it must work for streams of any length at little cost. Its own answers are
envelopes too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import perf_counter

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fyke.api.auth import RATE_FIELDS
from fyke.api.errors import ERROR_HEADER, REASON_HEADER, REQUEST_ID, Refusal, table_for
from fyke.api.network import Network, header, limiter_key
from fyke.api.ratelimit import TokenBuckets
from fyke.api.request_meter import RequestMeter, route_class
from fyke.kit.ids import new_unordered_ulid

log = structlog.get_logger("fyke.api")

VISIT = "fyke.visit"
PAGE = "fyke.page"  # set by pages of the console: no CORS headers

_CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PREFLIGHT = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": (
        "authorization, api-key, x-api-key, content-type, idempotency-key, if-none-match, "
        "last-event-id, x-request-id"
    ),
    "access-control-max-age": "600",
}
# Headers of an answer that scripts of other sites may read.
EXPOSED = ", ".join(
    (
        "x-request-id",
        "retry-after",
        "etag",
        "ratelimit",
        "ratelimit-policy",
        "content-disposition",
        "idempotency-replayed",
        ERROR_HEADER,
        REASON_HEADER,
    )
)
Headers = Sequence[tuple[bytes, bytes]]

_FOR_OTHER_SITES: Headers = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED.encode()),
)
_EVERY_ANSWER: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Transport:
    """Wraps the application; see the module's docstring. ``hsts``: the header
    ``strict-transport-security`` of answers over https, empty for none. ``refused_lines``: the
    number of log lines about refused requests, per address. ``meter`` counts the requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        network: Network,
        refused_lines: TokenBuckets,
        meter: RequestMeter,
        hsts: str = "",
    ) -> None:
        self._app = app
        self._meter = meter
        self._network = network
        self._refused_lines = refused_lines
        self._hsts = hsts_header(hsts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._refused_lines, self._meter)
        try:
            visit = scope[VISIT] = self._network.visit(scope)
            if visit.origin.startswith("https://"):
                exchange.hsts = self._hsts
            if _is_preflight(scope):
                await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, exchange.send)
            else:
                await self._app(scope, receive, exchange.send)
        except Refusal as refusal:
            answer = table_for(scope).refusal(refusal, exchange.request_id)
            await answer(scope, receive, exchange.send)
        except Exception as error:
            log.error("unexpected fault", request_id=exchange.request_id, exc_info=error)
            if exchange.status:
                raise  # the answer has started: the connection can only be closed
            await table_for(scope).fault(exchange.request_id)(scope, receive, exchange.send)
        finally:
            exchange.end()


def hsts_header(value: str) -> Headers:
    """The header of answers over https; none for an empty ``value``."""
    return ((b"strict-transport-security", value.encode()),) if value else ()


def added_headers(headers: Headers, hsts: Headers, *, page: bool = False) -> Headers:
    """What every answer has beside its own ``headers``. A ``page`` of the console is not for
    scripts of other sites.
    """
    present = {name for name, _ in headers}
    added = (*_EVERY_ANSWER, *hsts, *(() if page else _FOR_OTHER_SITES))
    return [pair for pair in added if pair[0] not in present]


def request_id_for(scope: Scope) -> str:
    """The id of a request: the client's own if it is safe to log, else a new one."""
    return proposed_id(scope) or new_unordered_ulid()


def proposed_id(scope: Scope) -> str:
    """The client's own id of a request if it is safe to log, else an empty string."""
    proposed = header(scope, b"x-request-id")
    return proposed if proposed and _CLIENT_REQUEST_ID.fullmatch(proposed) else ""


def log_request(
    method: str, route: object, status: int, started: float, request_id: str
) -> dict[str, object]:
    """Log the route's template, never the path or the query: both may carry secrets. Returns the
    fields of the line. ``started``: by ``perf_counter``.
    """
    fields: dict[str, object] = {
        "method": method[:16],
        "route": getattr(route, "path", ""),
        "status": status,
        "ms": round((perf_counter() - started) * 1000, 2),
        "request_id": request_id,
    }
    log.debug("request", **fields)
    return fields


class _Exchange:
    """One request and its response, for the log, the meter and the headers."""

    def __init__(
        self, scope: Scope, send: Send, refused_lines: TokenBuckets, meter: RequestMeter
    ) -> None:
        self._scope = scope
        self._meter = meter
        meter.active += 1
        self._send = send
        self._refused_lines = refused_lines
        self._started = perf_counter()
        self.status = 0
        self.hsts: Headers = ()
        self.request_id = scope[REQUEST_ID] = request_id_for(scope)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._count()
            headers: list[tuple[bytes, bytes]] = list(message["headers"])
            headers += added_headers(headers, self.hsts, page=bool(self._scope.get(PAGE)))
            headers.append((b"x-request-id", self.request_id.encode()))
            headers.extend(self._scope.get(RATE_FIELDS, ()))
            message["headers"] = headers
        await self._send(message)

    def end(self) -> None:
        """The request is over."""
        self._meter.active -= 1
        if not self.status:
            self._count()
        self._log()

    def _count(self) -> None:
        route, is_page = self._scope.get("route"), bool(self._scope.get(PAGE))
        path = str(getattr(route, "path", ""))
        starts = bool(getattr(getattr(route, "declaration", None), "starts", False))
        name = route_class(path, starts=starts, page=is_page)
        self._meter.count(name, self.status, perf_counter() - self._started)

    def _log(self) -> None:
        """Log the request; a refused one at level info, with the address: it may be an attempt to
        get around a check. An address has a limited number of these lines.
        """
        method, route = self._scope["method"], self._scope.get("route")
        fields = log_request(method, route, self.status, self._started, self.request_id)
        if 400 <= self.status < 500:
            address = self._address()
            if not self._refused_lines.take(limiter_key(address)):
                log.info("refused", address=address, **fields)

    def _address(self) -> str:
        """The client's address, or that of the peer if the request was refused before."""
        visit = self._scope.get(VISIT)
        if visit is not None:
            return str(visit.address)
        return str((self._scope.get("client") or ("",))[0])


def _is_preflight(scope: Scope) -> bool:
    return (
        scope["method"] == "OPTIONS"
        and header(scope, b"access-control-request-method") is not None
        and header(scope, b"origin") is not None
    )
