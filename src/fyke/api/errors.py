"""Turns errors into answers, in both dialects.

The message starts with the published text of the dialect's table, which existing clients recognise,
and continues with the sentence of the domain. ``details`` has one sentence per problem. Headers
have the key of the error and, where there is one, the code of its reason.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Scope

from fyke import errors
from fyke.api.envelope import V1, V2, Dialect, JsonBytes, dialect_of
from fyke.api.v1 import errors as v1_errors
from fyke.api.v2 import errors as v2_errors
from fyke.api.wire_errors import WireError

log = structlog.get_logger("fyke.api")

ERROR_HEADER = "x-fyke-error"
REASON_HEADER = "x-fyke-reason"
REQUEST_ID = "fyke.request_id"  # key in the ASGI scope, set by ``transport``

# Their answers do not give the cause: an id of another account must look exactly like one that
# never existed. Their details are advice that is the same for every cause.
_UNEXPLAINED = (errors.NotFound, errors.Unauthenticated, errors.StaleLease)


class Refusal(Exception):
    """A request that is refused before it reaches an operation."""

    def __init__(self, status: int, text: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class ErrorTable:
    """The error table of one dialect."""

    def __init__(
        self,
        dialect: Dialect,
        rows: Mapping[type[errors.FykeError], WireError],
        *,
        invalid: WireError,
        unknown_path: WireError,
        internal: WireError,
    ) -> None:
        self.dialect = dialect
        self.invalid = invalid
        self.unknown_path = unknown_path
        self.internal = internal
        self._rows = rows

    def row(self, error: errors.FykeError) -> WireError:
        """The table's row for ``error``."""
        return self.row_of(type(error))

    def row_of(self, kind: type[errors.FykeError]) -> WireError:
        """The table's row for errors of ``kind``."""
        for cls in kind.__mro__:
            row = self._rows.get(cls)
            if row is not None:
                return row
        return self.internal

    def answer(self, error: errors.FykeError, request_id: str) -> JsonBytes:
        """The response to ``error``."""
        row = self.row(error)
        headers = _headers(error)
        if row is self.internal:
            return self._response(row, row.text, request_id, headers=headers)
        details = error.details
        if isinstance(error, _UNEXPLAINED):
            return self._response(row, row.text, request_id, details, headers)
        invalid = isinstance(error, errors.InvalidRequest)
        if not details and invalid and error.detail:
            details = [error.detail]
        return self._response(row, _text(row, error), request_id, details, headers)

    def refusal(self, refusal: Refusal, request_id: str) -> JsonBytes:
        """The response to a refused request."""
        row = WireError(refusal.status, self.invalid.code, f"{self.invalid.text}: {refusal.text}")
        headers = {ERROR_HEADER: errors.InvalidRequest.key, **(refusal.headers or {})}
        return self._response(row, row.text, request_id, [refusal.text], headers)

    def unknown(self, request_id: str) -> JsonBytes:
        """The response for an unknown path."""
        return self._response(self.unknown_path, self.unknown_path.text, request_id)

    def fault(self, request_id: str) -> JsonBytes:
        """The response to an internal error, without its cause."""
        return self._response(self.internal, self.internal.text, request_id)

    def _response(
        self,
        row: WireError,
        text: str,
        request_id: str,
        details: list[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonBytes:
        body = self.dialect.failure(row.code, text, request_id, details or [])
        return JsonBytes(body, row.status, headers)


_TABLES = {
    V1.name: ErrorTable(
        V1,
        v1_errors.TABLE,
        invalid=v1_errors.INVALID,
        unknown_path=v1_errors.UNKNOWN_PATH,
        internal=v1_errors.INTERNAL,
    ),
    V2.name: ErrorTable(
        V2,
        v2_errors.TABLE_V2,
        invalid=v2_errors.INVALID,
        unknown_path=v2_errors.UNKNOWN_PATH,
        internal=v2_errors.INTERNAL,
    ),
}


def table_of(path: str) -> ErrorTable:
    """The error table of the dialect that ``path`` is answered in."""
    return _TABLES[dialect_of(path).name]


def table_for(scope: Scope) -> ErrorTable:
    """The error table for a request."""
    return table_of(scope.get("path", ""))


def _headers(error: errors.FykeError) -> dict[str, str]:
    headers = {}
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        headers["retry-after"] = str(wait)
    if isinstance(error, _UNEXPLAINED):
        return headers
    headers[ERROR_HEADER] = error.key
    if error.reason is not None:
        headers[REASON_HEADER] = error.reason.code.value
    return headers


def _text(row: WireError, error: errors.FykeError) -> str:
    return f"{row.text}: {error.detail}" if error.detail else row.text


async def on_fyke_error(request: Request, error: Exception) -> JsonBytes:
    """Exception handler for ``FykeError`` and its subclasses."""
    assert isinstance(error, errors.FykeError)  # noqa: S101 - registered for this class only
    table = table_for(request.scope)
    if table.row(error).status >= 500 and error.logged:
        about = {"key": error.key, "request_id": request_id(request)}
        if isinstance(error, errors.BlobsAway):  # an outage, of which a traceback says nothing
            log.warning("request failed", error=str(error), **about)
        else:
            log.error("request failed", exc_info=error, **about)
    return table.answer(error, request_id(request))


async def on_refusal(request: Request, error: Exception) -> JsonBytes:
    """Exception handler for ``Refusal``."""
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class only
    return table_for(request.scope).refusal(error, request_id(request))


async def on_http_exception(request: Request, error: Exception) -> JsonBytes:
    """The router's own errors: an unknown path, or a known one with the wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    table, id_of_request = table_for(request.scope), request_id(request)
    if error.status_code == 404:
        return table.unknown(id_of_request)
    if error.status_code == 405:
        allowed = allowed_methods(request)
        text = f"this path accepts {allowed}"
        return table.refusal(Refusal(405, text, headers={"allow": allowed}), id_of_request)
    if error.status_code >= 500:
        return table.fault(id_of_request)
    return table.refusal(Refusal(error.status_code, "the request could not be read"), id_of_request)


def allowed_methods(request: Request) -> str:
    """The methods that the path of ``request`` supports, for ``Allow``.

    As in OpenAPI, a concrete path takes precedence over a template: ``/runs/export`` is not the
    run with the id ``export``, so it does not have the methods of ``/runs/{id}``.
    """
    matching = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.path_regex.match(request.scope["path"])
    ]
    fewest = min((len(route.param_convertors) for route in matching), default=0)
    methods: set[str] = set()
    for route in matching:
        if len(route.param_convertors) == fewest:
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


def request_id(request: Request) -> str:
    """The id that the transport gave this request, for logs and answers."""
    return str(request.scope.get(REQUEST_ID, ""))
