"""Reads the body of a request: its bytes, and the members of the JSON object in it.

Size, time, depth and the number of values are limited before parsing. Members that the operation
does not have are skipped, not built. The parser preserves integers of any length, because a
Worker's input must arrive as it was sent, and refuses NaN. ``members`` reads the members.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import accumulate
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from fyke.api.errors import Refusal
from fyke.errors import InvalidRequest

MAX_BODY_BYTES = 2**20
MAX_INPUT_BYTES = 10 * 2**20  # of a body with the input of a run
MAX_BODY_SECONDS = 60.0
MAX_DEPTH = 64
MAX_VALUES = 250_000  # members of objects and items of arrays

_BOM = b"\xef\xbb\xbf"
_JSON_BLANK = b" \t\r\n"  # without an argument, strip() removes more than JSON allows
_EMPTY = ((b"null",), (b"null", b"[]"))
_OUT_OF_RANGE = re.compile(r"(?:Number|Integer value) out of range - at `\$\.(.*?)(?:\[.*)?`")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

T = TypeVar("T")

_names = msgspec.json.Decoder(dict[str, msgspec.Raw])


def declared_size(request: Request) -> int | None:
    """The length of the body in bytes, as the client declares it."""
    declared = request.headers.get("content-length", "")
    return int(declared[:15]) if declared.isdecimal() else None


async def read_body(
    request: Request, limit: int = MAX_BODY_BYTES, seconds: float = MAX_BODY_SECONDS
) -> bytes:
    """The whole body; raise ``Refusal`` when it is too large, too slow or compressed."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refusal(415, "send the body uncompressed, without Content-Encoding")
    if (declared_size(request) or 0) > limit:
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


def parse_object(body: bytes, names: tuple[str, ...], *, optional: bool = False) -> dict[str, Any]:
    """The members ``names`` of the JSON object in ``body`` that are present and not ``null``.

    There are none in an empty body and in ``null``. ``optional``: no member is required, so ``[]``
    is an empty object too: PHP encodes an empty array in this way.

    Raises ``InvalidRequest`` when the body is not valid JSON, not an object, nested too deep, or
    has too many values.
    """
    body = body.removeprefix(_BOM)
    if not body.strip(_JSON_BLANK):
        return {}
    if too_many(body, MAX_VALUES):
        raise InvalidRequest(f"the JSON body has more than {MAX_VALUES:,} values; send fewer")
    if too_deep(body, MAX_DEPTH):
        raise InvalidRequest(f"the JSON body is nested deeper than {MAX_DEPTH} levels")
    try:
        return _valid(_decoder(names), body)
    except msgspec.ValidationError as error:
        if body.translate(None, _JSON_BLANK)[:5] in _EMPTY[optional]:
            return {}
        if number := _OUT_OF_RANGE.fullmatch(str(error)):
            raise InvalidRequest(f"{number[1]} contains a number that is too large") from None
        example = f'{{"{names[0]}":...}}' if names else "{}"
        raise InvalidRequest(f"the body must be a JSON object such as {example}") from None


@cache
def _decoder(names: tuple[str, ...]) -> Callable[[bytes], dict[str, Any]]:
    """A function that decodes the members ``names`` of an object and skips the others."""
    fields = {f"member{number}": name for number, name in enumerate(names)}
    shape = msgspec.defstruct("Body", [(field, Any, None) for field in fields], rename=fields)
    decoder = msgspec.json.Decoder(shape)

    def decode(body: bytes) -> dict[str, Any]:
        values = zip(names, msgspec.structs.astuple(decoder.decode(body)), strict=True)
        return {name: value for name, value in values if value is not None}

    return decode


def sent_names(body: bytes) -> Iterable[str]:
    """The names of all members in a body that ``parse_object`` has accepted."""
    body = body.removeprefix(_BOM).lstrip(_JSON_BLANK)
    return _valid(_names.decode, body) if body.startswith(b"{") else ()


def _valid(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not valid UTF-8") from None
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {_reason(error)}") from None


def too_many(body: bytes, limit: int) -> bool:
    """Whether arrays and objects in unparsed ``body`` have more than ``limit`` values; an empty one
    counts as one value.
    """
    if _values(body) <= limit:
        return False
    return _values(_outside_strings(body)) > limit


def _values(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def too_deep(body: bytes, limit: int) -> bool:
    """Whether arrays and objects in unparsed ``body`` are nested deeper than ``limit``."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    # each bracket outside strings as a step of the depth, 1 or -1
    steps = memoryview(_outside_strings(body).translate(_STEPS, _NO_BRACKETS)).cast("b")
    return max(accumulate(steps), default=0) > limit


def _outside_strings(body: bytes) -> bytes:
    """``body`` without its strings. Every step is one pass in C, because with a loop over the bytes
    a hostile body would delay all other requests.
    """
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"").replace(b'""', b"")
    return b"".join(unescaped.split(b'"')[::2])


def _reason(error: Exception) -> str:
    text = str(error)
    if "truncated" in text or isinstance(error, RecursionError):
        return "it ends too early, or contains a character that cannot be decoded"
    return text.removeprefix("JSON is malformed: ")
