"""Read the body of a request: its bytes, and the JSON object in it.

Size, time and depth are limited before parsing. The parser preserves integers of any length,
because a Worker's input must arrive as it was sent, and refuses NaN. ``members`` reads the members.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from fyke.api.errors import Refusal
from fyke.errors import InvalidRequest

MAX_BODY_BYTES = 10 * 2**20
MAX_BODY_SECONDS = 60.0
MAX_DEPTH = 64

_BOM = b"\xef\xbb\xbf"
_JSON_BLANK = b" \t\r\n"  # without an argument, strip() removes more than JSON allows
_SAME_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_parse = msgspec.json.Decoder().decode


async def read_body(
    request: Request, limit: int = MAX_BODY_BYTES, seconds: float = MAX_BODY_SECONDS
) -> bytes:
    """The whole body; raise ``Refusal`` when it is too large, too slow or compressed."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refusal(415, "send the body uncompressed, without Content-Encoding")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 15 or int(declared) > limit):
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                parts.append(chunk)
    except TimeoutError:
        raise Refusal(408, f"the body must arrive within {seconds:g} seconds") from None
    except ClientDisconnect:
        raise Refusal(400, "the body ended before its declared length") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Refusal:
    text = f"the body must be at most {limit // 2**20} MiB"
    return Refusal(413, text, headers={"connection": "close"})


def parse_object(body: bytes, *, optional: bool = False) -> dict[str, Any]:
    """The JSON object in ``body``; empty for an empty body and for ``null``.

    ``optional``: no member is required, so ``[]`` is an empty object too: PHP encodes an empty
    array in this way.

    Raises ``InvalidRequest`` when it is not valid JSON, not an object, or nested too deep.
    """
    if body.startswith(_BOM):
        body = body[len(_BOM) :]
    if not body.strip(_JSON_BLANK):
        return {}
    if too_deep(body, MAX_DEPTH):
        raise InvalidRequest(f"the JSON body is nested deeper than {MAX_DEPTH} levels")
    try:
        value = _parse(body)
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not valid UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {_reason(error)}") from None
    if value is None or (optional and value == []):
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest('the body must be a JSON object such as {"run_slug":"..."}')
    return value


def too_deep(body: bytes, limit: int) -> bool:
    """Whether arrays and objects in unparsed ``body`` are nested deeper than ``limit``."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    # Only brackets outside strings matter, and both kinds alike. Every step is one pass in C,
    # because with a loop over the bytes a hostile body would delay all other requests.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"").replace(b'""', b"")
    outside = b"".join(unescaped.split(b'"')[::2])
    brackets = outside.translate(_SAME_BRACKETS, _NO_BRACKETS)
    if b"[" * (limit + 1) in brackets:
        return True
    # Removing empty pairs removes one level each time, so nothing is left of a valid body within
    # the limit. A balanced rest is too deep; the parser reports an unbalanced one.
    for _ in range(limit):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return brackets.count(b"[") == brackets.count(b"]") > 0


def _reason(error: Exception) -> str:
    text = str(error)
    if "truncated" in text or isinstance(error, RecursionError):
        return "it ends too early, or contains a character that cannot be decoded"
    return text.removeprefix("JSON is malformed: ")
