"""Requests, their answers, and when a request is sent again; no I/O."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from fyke_client._decode import decode
from fyke_client.errors import ApiError, ClientError, Unreachable

T = TypeVar("T")

FIRST_PAUSE = 0.5  # seconds
LONGEST_PAUSE = 8.0
LONGEST_RETRY_AFTER = 60
_NOT_NOW = frozenset({429, 502, 503, 504})

_encode = msgspec.json.Encoder().encode


class Request(NamedTuple):
    """One request. ``repeatable``: sending it twice has the effect of sending it once.
    ``extra_seconds``: how much longer than usual its answer may take; ``most_seconds``: a limit of
    that. ``retries``: how often it is sent again, None for the client's number.
    """

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    extra_seconds: float = 0
    most_seconds: float = math.inf
    retries: int | None = None
    repeatable: bool = False
    files: Mapping[str, Any] | None = None  # of a form, whose other members are in ``form``
    form: Mapping[str, Any] | None = None


class Response(NamedTuple):
    """The answer to a request; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class _Envelope(msgspec.Struct):
    """The envelope of every answer, in both dialects."""

    code: int
    message: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    details: list[str] | None = None


def segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")


def worker_segment(ref: str) -> str:
    """A Worker's reference as one segment of a path, ``owner/name`` as ``owner~name``."""
    return segment(ref.replace("/", "~"))


def worker_path(ref: str) -> str:
    return f"/api/fyke/workers/{worker_segment(ref)}"


def with_query(path: str, query: Mapping[str, Any] | None) -> str:
    return f"{path}?{urlencode(query, doseq=True)}" if query else path


def json_request(
    method: str,
    path: str,
    body: object,
    *,
    extra_seconds: float = 0,
    repeatable: bool = False,
    idempotency_key: str = "",
) -> Request:
    """A request with a JSON body. One with an idempotency key may always be sent again."""
    headers = {"content-type": "application/json"}
    if idempotency_key:
        headers["idempotency-key"] = idempotency_key
    repeatable = repeatable or bool(idempotency_key) or method == "PUT"
    return Request(
        method, path, headers, _encode(body), extra_seconds=extra_seconds, repeatable=repeatable
    )


def new_idempotency_key() -> str:
    return os.urandom(16).hex()


def data_of(response: Response, source: str) -> bytes:
    """``data`` of the envelope. Raises ``ApiError`` or ``Unreachable``."""
    status, headers, content = response
    try:
        envelope = decode(content, _Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreachable(
            f"{source} answered {status}, but is not a Fyke server",
            status=status,
            temporary=status in _NOT_NOW,
        ) from None
    if status == 200 and envelope.code == 0:
        return bytes(envelope.data)
    retry_after = headers.get("retry-after", "")
    raise ApiError(
        status,
        envelope.code,
        envelope.message,
        envelope.details or (),
        key=headers.get("x-fyke-error", ""),
        reason=headers.get("x-fyke-reason", ""),
        request_id=headers.get("x-request-id", ""),
        retry_after=int(retry_after) if retry_after.isdecimal() else 0,
    )


def decoded(data: bytes, answer_type: type[T], source: str) -> T:
    """``data`` as its type. Raises ``Unreachable`` for the answer of another version."""
    try:
        return decode(data, answer_type)
    except msgspec.ValidationError as error:
        raise Unreachable(
            f"{source} sent an answer that this client cannot read ({error}); "
            "use the client of the server's version",
            temporary=False,
        ) from None


# --- repeating -----------------------------------------------------------------------------


def is_temporary(error: ClientError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, ApiError):
        return error.status in _NOT_NOW
    return isinstance(error, Unreachable) and error.temporary


def may_repeat(error: ClientError, request: Request) -> bool:
    """Whether sending ``request`` again after ``error`` cannot do anything twice."""
    if not is_temporary(error):
        return False
    if request.repeatable:
        return True
    if isinstance(error, ApiError):
        return error.status in (429, 503) and error.key != "outcome_unknown"
    return isinstance(error, Unreachable) and not error.sent


def pause_before(attempt: int, error: ClientError) -> float | None:
    """Seconds until the attempt with this number, from 1; None if the server wants a long pause.

    The pause doubles, and a random part of it keeps many clients from returning at once.
    """
    longest = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
    pause = longest * (0.5 + os.urandom(1)[0] / 510)
    wanted = error.retry_after if isinstance(error, ApiError) else 0
    return max(pause, wanted) if wanted <= LONGEST_RETRY_AFTER else None
