"""Reading what clients send: as liberal as old clients need, as strict as safety needs.

Size, time and depth are limited before anything is parsed. The parser keeps integers of any length
digit for digit, because a Worker's input must arrive as it was sent, and knows no NaN. Field rules
are in the models of each operation, built from the ``Wire`` types below; ``null`` is the same as
absent, unknown keys are ignored.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect, Request

from fyke.api.errors import Refusal
from fyke.errors import InvalidFields, InvalidRequest

MAX_BODY_BYTES = 10 * 2**20
MAX_BODY_SECONDS = 60.0
MAX_DEPTH = 64
MAX_TEXT = 100_000
MAX_PAGE_INDEX = 1_000_000_000
MAX_PAGE_SIZE = 1000

_BOM = b"\xef\xbb\xbf"
_JSON_BLANK = b" \t\r\n"  # Python strips more than JSON passes over
_SAME_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_INTEGER = re.compile(r"([+-]?[0-9]{1,18})(\.0{1,18})?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")

_parse = msgspec.json.Decoder().decode

Model = TypeVar("Model", bound=BaseModel)


# --- bytes ---------------------------------------------------------------------------------


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


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; an empty body and ``null`` are an empty one.

    Raise ``InvalidRequest`` when it is not valid JSON, not an object, or nested too deep.
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
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest('the body must be a JSON object such as {"run_slug":"..."}')
    return value


def too_deep(body: bytes, limit: int) -> bool:
    """Whether arrays and objects in ``body`` are nested deeper than ``limit``, before parsing."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    # Outside of strings only brackets matter, and both kinds alike. Every step is one pass in C:
    # a byte loop here would let a hostile body hold up all others.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"").replace(b'""', b"")
    outside = b"".join(unescaped.split(b'"')[::2])
    brackets = outside.translate(_SAME_BRACKETS, _NO_BRACKETS)
    if b"[" * (limit + 1) in brackets:
        return True
    # Taking out empty pairs removes one level each time, so a sound body within the limit is gone
    # at the end. What is left is too deep, or unbalanced, and that the parser will say better.
    for _ in range(limit):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return brackets.count(b"[") == brackets.count(b"]") > 0


def _reason(error: Exception) -> str:
    text = str(error)
    if "truncated" in text or isinstance(error, RecursionError):
        return "it ends too early, or holds a character that cannot be decoded"
    return text.removeprefix("JSON is malformed: ")


# --- fields --------------------------------------------------------------------------------


class _Repeatable:
    """Marks a field of the query that takes every value of its name, as a list."""


REPEATABLE = _Repeatable()


@cache
def repeatable(model: type[BaseModel]) -> frozenset[str]:
    """The names whose values ``model`` wants as a list, also when there is only one."""
    return frozenset(
        name for name, field in model.model_fields.items() if REPEATABLE in field.metadata
    )


def wrong(rule: str) -> PydanticCustomError:
    """What a field's rule raises; the sentence is the field's name and ``rule``."""
    return PydanticCustomError("wire", "{rule}", {"rule": rule})


def to_integer(value: object) -> int:
    """An integer, also as an integral float or a numeric string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        match = _INTEGER.fullmatch(value.strip())
        if match:
            return int(match[1])
    raise wrong("must be an integer")


def to_boolean(value: object) -> bool:
    """A boolean, also as ``"true"``, ``"false"``, 0 or 1."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "1"):
            return True
        if word in ("false", "0"):
            return False
    raise wrong("must be true or false")


def to_number(value: object) -> str:
    """A decimal number as text, digit for digit; also from a numeric string."""
    if isinstance(value, bool):
        raise wrong("must be a number")
    if isinstance(value, int | float):
        value = f"{value:.9f}" if isinstance(value, float) else str(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return value.strip()
    raise wrong("must be a number")


def to_text(value: object) -> str:
    """A string without NUL, which no database column takes."""
    if not isinstance(value, str):
        raise wrong("must be a string")
    if len(value) > MAX_TEXT:
        raise wrong(f"must be at most {MAX_TEXT} characters")
    if "\x00" in value:
        raise wrong("must not contain the character NUL")
    return value


def to_name(value: object) -> str:
    """A string that must not be blank."""
    text = to_text(value).strip()
    if not text:
        raise wrong("must not be blank")
    return text


def to_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong("must be an object")
    return value


def _page_index(value: object) -> int:
    return min(max(to_integer(value), 1), MAX_PAGE_INDEX)


def page_size(default: int) -> Callable[[object], int]:
    """A rule for page sizes: below 1 means ``default``, above the maximum means the maximum."""

    def rule(value: object) -> int:
        size = to_integer(value)
        return default if size < 1 else min(size, MAX_PAGE_SIZE)

    return rule


# What the document says of these types is all that they take, so that a client may rely on it.
INTEGER_TEXT = r"^\s*[+-]?[0-9]{1,18}(\.0{1,18})?\s*$"
_TRUTH_TEXT = r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01])\s*$"
_NUMBER_TEXT = r"^\s*[+-]?[0-9]{1,18}(\.[0-9]{1,18})?\s*$"
_NO_NUL = r"^[^\u0000]*$"
# MAX_TEXT is told in words: tools build a pattern with 100,000 repetitions of it otherwise.
TEXT_SCHEMA = {"type": "string", "pattern": _NO_NUL}
_NOT_BLANK = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"


def also_text(schema: Mapping[str, Any], pattern: str) -> WithJsonSchema:
    """The JSON schema of a value that may come as text as well."""
    return WithJsonSchema({"anyOf": [dict(schema), {"type": "string", "pattern": pattern}]})


WireInt = Annotated[int, BeforeValidator(to_integer), also_text({"type": "integer"}, INTEGER_TEXT)]
WireBool = Annotated[
    bool,
    BeforeValidator(to_boolean),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"type": "integer", "enum": [0, 1]},
                {"type": "string", "pattern": _TRUTH_TEXT},
            ]
        }
    ),
]
WireNumber = Annotated[
    str,
    BeforeValidator(to_number),
    also_text(
        {"type": "number", "exclusiveMinimum": -(10**18), "exclusiveMaximum": 10**18},
        _NUMBER_TEXT,
    ),
]
WireText = Annotated[
    str,
    BeforeValidator(to_text),
    WithJsonSchema(TEXT_SCHEMA),
]
WireName = Annotated[
    str,
    BeforeValidator(to_name),
    WithJsonSchema({"type": "string", "minLength": 1, "pattern": _NOT_BLANK}),
]
WireObject = Annotated[
    dict[str, Any], BeforeValidator(to_object), WithJsonSchema({"type": "object"})
]
PageIndex = Annotated[
    int,
    BeforeValidator(_page_index),
    Field(description="number of the page; below 1 is the first"),
    also_text({"type": "integer"}, INTEGER_TEXT),
]
_SIZE = f"rows on a page; more than {MAX_PAGE_SIZE} count as {MAX_PAGE_SIZE}, below 1 as absent"
PageSize10 = Annotated[
    int,
    BeforeValidator(page_size(10)),
    Field(description=_SIZE),
    also_text({"type": "integer"}, INTEGER_TEXT),
]
PageSize20 = Annotated[
    int,
    BeforeValidator(page_size(20)),
    Field(description=_SIZE),
    also_text({"type": "integer"}, INTEGER_TEXT),
]


class Wire(BaseModel):
    """Base of every request model: unknown keys are ignored, never bound."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def decode(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """``fields`` as ``model``; raise ``InvalidFields`` with one sentence per problem."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        sentences = [_sentence(problem) for problem in error.errors(include_url=False)]
        raise InvalidFields("; ".join(sentences), details=sentences) from None


def _sentence(problem: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in problem["loc"]) or "the body"
    if problem["type"] == "missing":
        return f"{field} is required"
    return f"{field} {problem['msg']}"
