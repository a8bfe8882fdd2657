"""The one place where an error becomes an HTTP status, a wire code and a text.

The text starts with the table's own words, so that whoever knows the platform recognises it, and
goes on with what is wrong here. ``details`` carries the bare sentences, one per problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request

from fyke import errors
from fyke.api.envelope import JsonBytes, failure

log = structlog.get_logger("fyke.api")


@dataclass(frozen=True, slots=True)
class WireError:
    """One row of the contract's error table."""

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
    errors.Unauthenticated: WireError(401, 20001, "Invalid API key"),
    errors.InvalidKey: WireError(401, 20001, "Invalid API key"),
    errors.ExpiredKey: WireError(401, 20002, "API key expired"),
    errors.UserMissing: WireError(401, 10001, "User does not exist"),
    errors.UserDisabled: WireError(401, 10002, "User is disabled"),
    errors.Forbidden: WireError(401, 4010, "Unauthorized access"),
    errors.NotFound: UNKNOWN_PATH,
    errors.WorkerNotFound: WireError(404, 50001, "Worker does not exist"),
    errors.TaskNotFound: WireError(404, 60001, "Task does not exist"),
    errors.RunNotFound: WireError(404, 70001, "Run record does not exist"),
    errors.Refused: WireError(400, 4000, "Request refused"),
    errors.VersionUnavailable: WireError(400, 50003, "Worker version unavailable"),
    errors.RunNotAbortable: WireError(400, 70002, "Run abort failed"),
    errors.RunRefused: WireError(400, 50002, "Worker execution failed"),
    errors.InsufficientBalance: WireError(400, 30001, "Insufficient balance"),
    errors.InsufficientTraffic: WireError(400, 30002, "Insufficient traffic quota"),
    errors.Conflict: WireError(409, 4000, "Conflict"),
    errors.RateLimited: WireError(429, 4290, "Too many requests, please try again later"),
    errors.Unavailable: WireError(503, 5000, "Service temporarily unavailable"),
    errors.StaleLease: INTERNAL,
}

# These say nothing about themselves to whoever caused them: an id of another account must look
# exactly like one that never was, and an inner fault is for the log only.
_SILENT = (errors.NotFound, errors.Unauthenticated, errors.StaleLease)


class Refusal(Exception):
    """A request that the transport rules turn away before any operation sees it."""

    def __init__(self, status: int, text: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def wire_error(error: errors.FykeError) -> WireError:
    """The table's row for ``error``."""
    for cls in type(error).__mro__:
        row = TABLE.get(cls)
        if row is not None:
            return row
    return INTERNAL


def answer_to(error: errors.FykeError) -> JsonBytes:
    """The response that tells a client of ``error``."""
    row = wire_error(error)
    headers = None
    if isinstance(error, errors.RateLimited):
        headers = {"retry-after": str(error.retry_after)}
    if row is INTERNAL or isinstance(error, _SILENT):
        return JsonBytes(failure(row.code, row.text), row.status, headers)
    details = error.details
    if not details and isinstance(error, errors.InvalidRequest) and error.message != error.default:
        details = [error.message]
    return JsonBytes(failure(row.code, _text(row, error), details), row.status, headers)


def _text(row: WireError, error: errors.FykeError) -> str:
    own = error.message
    if own == error.default or own == row.text:
        return row.text
    return own if own.startswith(row.text) else f"{row.text}: {own}"


def refusal_answer(refusal: Refusal) -> JsonBytes:
    """The response for what the transport rules turn away; always code 4000."""
    text = f"{INVALID.text}: {refusal.text}"
    return JsonBytes(failure(INVALID.code, text, [refusal.text]), refusal.status, refusal.headers)


def internal_answer() -> JsonBytes:
    """What a client learns of a fault of ours: nothing."""
    return JsonBytes(failure(INTERNAL.code, INTERNAL.text), INTERNAL.status)


async def on_fyke_error(request: Request, error: Exception) -> JsonBytes:
    """Exception handler for the whole tree."""
    assert isinstance(error, errors.FykeError)  # noqa: S101 - registered for this class only
    if wire_error(error).status >= 500:
        log.error("request failed", key=error.key, request_id=request_id(request), exc_info=error)
    return answer_to(error)


async def on_refusal(_request: Request, error: Exception) -> JsonBytes:
    """Exception handler for ``Refusal``."""
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class only
    return refusal_answer(error)


async def on_http_exception(request: Request, error: Exception) -> JsonBytes:
    """What the router itself says: an unknown path, or a known one with the wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if error.status_code == 404:
        return JsonBytes(failure(UNKNOWN_PATH.code, UNKNOWN_PATH.text), 404)
    if error.status_code == 405:
        allowed = allowed_methods(request)
        text = f"this path takes {allowed}"
        return refusal_answer(Refusal(405, text, headers={"allow": allowed}))
    if error.status_code >= 500:
        return internal_answer()
    return refusal_answer(Refusal(error.status_code, "the request could not be read"))


def allowed_methods(request: Request) -> str:
    """Every method that some route offers for the path of ``request``."""
    found: set[str] = set()
    for route in request.app.routes:
        regex = getattr(route, "path_regex", None)
        if regex is not None and regex.match(request.scope["path"]):
            found |= getattr(route, "methods", None) or set()
    return ", ".join(sorted(found))


def request_id(request: Request) -> str:
    """The id that the transport gave this request, for logs."""
    return str(request.scope.get("fyke.request_id", ""))
