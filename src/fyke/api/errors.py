"""The one place where an error becomes an HTTP status, a wire code and a text, in both dialects.

The text starts with the table's own words, so that whoever knows the platform recognises it, and
goes on with what is wrong here. ``details`` carries the bare sentences, one per problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Scope

from fyke import errors
from fyke.api.envelope import V1, V2, Dialect, JsonBytes, dialect_of

log = structlog.get_logger("fyke.api")

REQUEST_ID = "fyke.request_id"  # where the transport leaves it in the scope


@dataclass(frozen=True, slots=True)
class WireError:
    """One row of a contract's error table."""

    status: int
    code: int
    text: str


INVALID = WireError(400, 4000, "Invalid request parameters")
UNKNOWN_PATH = WireError(404, 4040, "Resource not found")
INTERNAL = WireError(500, 5000, "Internal server error")

# Looked up along the class's ancestors, so a new error is answered like its parent.
TABLE: dict[type[errors.FykeError], WireError] = {
    errors.FykeError: INTERNAL,
    errors.InvalidRequest: INVALID,
    errors.InvalidFields: INVALID,
    errors.UnknownVersion: INVALID,
    errors.Unauthenticated: WireError(401, 20001, "Invalid API key"),
    errors.MissingKey: WireError(401, 20001, "Invalid API key"),
    errors.InvalidKey: WireError(401, 20001, "Invalid API key"),
    errors.ExpiredKey: WireError(401, 20002, "API key expired"),
    errors.SignInFailed: WireError(401, 20001, "Invalid API key"),
    errors.SessionEnded: WireError(401, 20001, "Invalid API key"),
    errors.UserMissing: WireError(401, 10001, "User does not exist"),
    errors.UserDisabled: WireError(401, 10002, "User is disabled"),
    errors.Forbidden: WireError(401, 4010, "Unauthorized access"),
    errors.ScopeMissing: WireError(401, 4010, "Unauthorized access"),
    errors.NotFound: UNKNOWN_PATH,
    errors.DeliveryNotFound: UNKNOWN_PATH,
    errors.LinkSpent: UNKNOWN_PATH,
    errors.WorkerNotFound: WireError(404, 50001, "Worker does not exist"),
    errors.TaskNotFound: WireError(404, 60001, "Task does not exist"),
    errors.RunNotFound: WireError(404, 70001, "Run record does not exist"),
    errors.Refused: WireError(400, 4000, "Request refused"),
    errors.VersionUnavailable: WireError(400, 50003, "Worker version unavailable"),
    errors.RunNotAbortable: WireError(400, 70002, "Run abort failed"),
    errors.RunRefused: WireError(400, 50002, "Worker execution failed"),
    errors.InsufficientBalance: WireError(400, 30001, "Insufficient balance"),
    errors.CapReached: WireError(400, 30001, "Insufficient balance"),
    errors.InsufficientTraffic: WireError(400, 30002, "Insufficient traffic quota"),
    errors.PlanLimitReached: WireError(400, 30003, "Plan limit reached"),
    errors.Conflict: WireError(409, 4000, "Conflict"),
    errors.RateLimited: WireError(429, 4290, "Too many requests, please try again later"),
    errors.Unavailable: WireError(503, 5000, "Service temporarily unavailable"),
    errors.StaleLease: INTERNAL,
}

INVALID_V2 = WireError(400, 11000, "invalid argument")
UNKNOWN_PATH_V2 = WireError(404, 11004, "not found")
INTERNAL_V2 = WireError(500, 10000, "internal server error")

TABLE_V2: dict[type[errors.FykeError], WireError] = {
    errors.FykeError: INTERNAL_V2,
    errors.InvalidRequest: INVALID_V2,
    errors.InvalidFields: WireError(422, 11000, "invalid argument"),
    errors.UnknownVersion: WireError(400, 50003, "the worker version is not available"),
    errors.Unauthenticated: WireError(401, 12002, "invalid token"),
    errors.MissingKey: WireError(401, 12001, "authentication required"),
    errors.Forbidden: WireError(403, 11000, "operation not permitted"),
    errors.NotFound: UNKNOWN_PATH_V2,
    errors.WorkerNotFound: WireError(404, 50001, "worker does not exist"),
    errors.TaskNotFound: WireError(404, 60001, "task does not exist"),
    errors.RunNotFound: WireError(404, 70001, "run record does not exist"),
    errors.Refused: INVALID_V2,
    errors.VersionUnavailable: WireError(400, 50003, "the worker version is not available"),
    errors.RunNotAbortable: WireError(400, 70002, "run operation failed"),
    errors.RunRefused: WireError(400, 50002, "worker run failed"),
    errors.InsufficientBalance: WireError(400, 30001, "account balance is insufficient"),
    errors.InsufficientTraffic: WireError(400, 30001, "account traffic quota is insufficient"),
    errors.PlanLimitReached: WireError(
        400, 30003, "the current running tasks have reached the plan limit"
    ),
    errors.Conflict: WireError(409, 11000, "invalid argument"),
    errors.RateLimited: WireError(429, 13000, "too many requests"),
    errors.Unavailable: WireError(503, 10000, "service temporarily unavailable"),
    errors.StaleLease: INTERNAL_V2,
}

# These say nothing about themselves to whoever caused them: an id of another account must look
# exactly like one that never was, and an inner fault is for the log only. Details of theirs are
# advice that is the same whatever the reason was.
_SILENT = (errors.NotFound, errors.Unauthenticated, errors.StaleLease)


class Refusal(Exception):
    """A request that the transport rules turn away before any operation sees it."""

    def __init__(self, status: int, text: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class ErrorTable:
    """The errors of one dialect: which row an error gets, and the answer that tells of it."""

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
        """The response that tells a client of ``error``."""
        row = self.row(error)
        headers = _headers(error)
        if row is self.internal:
            return self._response(row, row.text, request_id, headers=headers)
        details = error.details
        if isinstance(error, _SILENT):
            return self._response(row, row.text, request_id, details, headers)
        invalid = isinstance(error, errors.InvalidRequest)
        if not details and invalid and error.message != error.default:
            details = [error.message]
        return self._response(row, _text(row, error), request_id, details, headers)

    def refusal(self, refusal: Refusal, request_id: str) -> JsonBytes:
        """The response for what the transport rules turn away."""
        row = WireError(refusal.status, self.invalid.code, f"{self.invalid.text}: {refusal.text}")
        return self._response(row, row.text, request_id, [refusal.text], refusal.headers)

    def unknown(self, request_id: str) -> JsonBytes:
        """The response for a path that leads nowhere."""
        return self._response(self.unknown_path, self.unknown_path.text, request_id)

    def fault(self, request_id: str) -> JsonBytes:
        """What a client learns of a fault of ours: nothing."""
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
    V1.name: ErrorTable(V1, TABLE, invalid=INVALID, unknown_path=UNKNOWN_PATH, internal=INTERNAL),
    V2.name: ErrorTable(
        V2, TABLE_V2, invalid=INVALID_V2, unknown_path=UNKNOWN_PATH_V2, internal=INTERNAL_V2
    ),
}


def table_of(path: str) -> ErrorTable:
    """The error table of the dialect that ``path`` is answered in."""
    return _TABLES[dialect_of(path).name]


def table_for(scope: Scope) -> ErrorTable:
    """The same for a request."""
    return table_of(scope.get("path", ""))


def _headers(error: errors.FykeError) -> dict[str, str] | None:
    wait = getattr(error, "retry_after", None)
    return None if wait is None else {"retry-after": str(wait)}


def _text(row: WireError, error: errors.FykeError) -> str:
    own = error.message
    if own == error.default or own == row.text:
        return row.text
    # the domain's sentences may begin with the words of the first table, which are its defaults
    own = own.removeprefix(f"{error.default}: ")
    return own if own.startswith(row.text) else f"{row.text}: {own}"


async def on_fyke_error(request: Request, error: Exception) -> JsonBytes:
    """Exception handler for the whole tree."""
    assert isinstance(error, errors.FykeError)  # noqa: S101 - registered for this class only
    table = table_for(request.scope)
    if table.row(error).status >= 500:
        log.error("request failed", key=error.key, request_id=request_id(request), exc_info=error)
    return table.answer(error, request_id(request))


async def on_refusal(request: Request, error: Exception) -> JsonBytes:
    """Exception handler for ``Refusal``."""
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class only
    return table_for(request.scope).refusal(error, request_id(request))


async def on_http_exception(request: Request, error: Exception) -> JsonBytes:
    """What the router itself says: an unknown path, or a known one with the wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    table, own_id = table_for(request.scope), request_id(request)
    if error.status_code == 404:
        return table.unknown(own_id)
    if error.status_code == 405:
        allowed = allowed_methods(request)
        text = f"this path takes {allowed}"
        return table.refusal(Refusal(405, text, headers={"allow": allowed}), own_id)
    if error.status_code >= 500:
        return table.fault(own_id)
    return table.refusal(Refusal(error.status_code, "the request could not be read"), own_id)


def allowed_methods(request: Request) -> str:
    """The methods that the path of ``request`` supports, for ``Allow``.

    As in OpenAPI, a concrete path comes before a templated one: ``/runs/export`` is not the run
    whose id is ``export``, so it does not have the methods of ``/runs/{id}``.
    """
    matching = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.path_regex.match(request.scope["path"])
    ]
    fewest = min((len(route.param_convertors) for route in matching), default=0)
    found: set[str] = set()
    for route in matching:
        if len(route.param_convertors) == fewest:
            found |= route.methods or set()
    return ", ".join(sorted(found))


def request_id(request: Request) -> str:
    """The id that the transport gave this request, for logs and answers."""
    return str(request.scope.get(REQUEST_ID, ""))
