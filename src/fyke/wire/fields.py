"""The types of request members: their schema in the OpenAPI document, and the rule that reads them.

The annotation of a type such as ``Integer`` has the strict type and limits of the document. Its
``ParsedBy`` is the function that the server applies to a value, which also accepts what old clients
send, for example a number as text. A rule raises ``FieldError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

MAX_TEXT = 100_000  # characters
MAX_PAGE_INDEX = 1_000_000_000
MAX_PAGE_SIZE = 1000
MAX_NAMES = 1000

_INTEGER = re.compile(r"([+-]?[0-9]{1,18})(\.0{1,18})?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")


class FieldError(ValueError):
    """An invalid value. The text follows the member's name, for example "must be an integer"."""


@dataclass(frozen=True, slots=True)
class ParsedBy:
    """The function that converts the received value to the value of the member.

    ``repeated``: a query or form may contain the member several times; the function gets a list.
    """

    rule: Callable[[Any], Any]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Aliases:
    """Other names of a member, for older clients; the first that is present counts."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True, slots=True)
class DocumentedAs:
    """The type of a member in the documents, where the server uses another one."""

    type: Any


class Request(Struct, omit_defaults=True):
    """Base of all requests. A member that is ``null`` counts as absent."""


class Answer(Struct):
    """Base of all answers."""


# --- rules ---------------------------------------------------------------------------------


def to_integer(value: object) -> int:
    """An integer, or a float or text with an integral value."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        match = _INTEGER.fullmatch(value.strip())
        if match:
            return int(match[1])
    raise FieldError("must be an integer")


def to_boolean(value: object) -> bool:
    """A boolean, or ``"true"``, ``"false"``, 0 or 1."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("true", "1"):
            return True
        if text in ("false", "0"):
            return False
    raise FieldError("must be true or false")


def to_decimal(value: object) -> str:
    """A decimal number as text, from text or a JSON number."""
    if isinstance(value, bool):
        raise FieldError("must be a number")
    if isinstance(value, int | float):
        value = f"{value:.9f}" if isinstance(value, float) else str(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return value.strip()
    raise FieldError("must be a number such as 12.5: at most 18 digits on each side of the point")


def to_text(value: object) -> str:
    """A string without NUL and lone surrogates, which databases refuse."""
    if not isinstance(value, str):
        raise FieldError("must be a string")
    if len(value) > MAX_TEXT:
        raise FieldError(f"must be at most {MAX_TEXT} characters")
    if "\x00" in value:
        raise FieldError("must not contain the character NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise FieldError("must be valid Unicode") from None
    return value


def to_name(value: object) -> str:
    """A string that is not blank, without surrounding spaces."""
    text = to_text(value).strip()
    if not text:
        raise FieldError("must not be blank")
    return text


def to_texts(value: object) -> list[str]:
    """A list of strings."""
    if not isinstance(value, list):
        raise FieldError("must be a list of strings")
    return [to_text(item) for item in value]


def to_names(value: object) -> tuple[str, ...]:
    """A list of strings without blank ones; a single string is a list of one."""
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) > MAX_NAMES:
        raise FieldError(f"must name at most {MAX_NAMES}")
    if not all(isinstance(item, str) for item in items):
        raise FieldError("must be a list of strings")
    return tuple(text for item in items if (text := to_text(item).strip()))


@dataclass(frozen=True, slots=True)
class ToChoice:
    """A rule for one of ``choices``, case-insensitive; ``optional``: empty is None."""

    choices: type[StrEnum]
    optional: bool = False

    def __call__(self, value: object) -> StrEnum | None:
        name = to_text(value).strip().lower()
        try:
            return self.choices(name) if name or not self.optional else None
        except ValueError:
            raise FieldError(f"must be one of {', '.join(self.choices)}") from None


def to_object(value: object) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise FieldError("must be an object")
    return value


def to_page_index(value: object) -> int:
    """The number of a page; numbers below 1 are the first page."""
    return min(max(to_integer(value), 1), MAX_PAGE_INDEX)


def to_page_size(default: int, maximum: int = MAX_PAGE_SIZE) -> Callable[[object], int]:
    """A rule for page sizes: ``default`` below 1, ``maximum`` above it."""

    def rule(value: object) -> int:
        size = to_integer(value)
        return default if size < 1 else min(size, maximum)

    return rule


# --- types ---------------------------------------------------------------------------------

Integer = Annotated[int, ParsedBy(to_integer)]
Boolean = Annotated[bool, ParsedBy(to_boolean)]
Decimal = Annotated[str, Meta(pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"), ParsedBy(to_decimal)]
Text = Annotated[str, Meta(max_length=MAX_TEXT), ParsedBy(to_text)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT), ParsedBy(to_name)]
Texts = Annotated[list[str], ParsedBy(to_texts)]
Names = Annotated[tuple[str, ...], Meta(max_length=MAX_NAMES), ParsedBy(to_names)]
JsonObject = Annotated[dict[str, Any], ParsedBy(to_object)]
# A stored object in an answer: its text is sent as it is, and not decoded.
StoredObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]

PageIndex = Annotated[
    int,
    Meta(ge=1, le=MAX_PAGE_INDEX, description="number of the page, from 1"),
    ParsedBy(to_page_index),
]
PageSize10 = Annotated[
    int,
    Meta(ge=1, le=MAX_PAGE_SIZE, description="entries on a page"),
    ParsedBy(to_page_size(10)),
]
PageSize20 = Annotated[
    int,
    Meta(ge=1, le=MAX_PAGE_SIZE, description="entries on a page"),
    ParsedBy(to_page_size(20)),
]
