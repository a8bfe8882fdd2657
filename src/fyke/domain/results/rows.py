"""Decodes what a Worker pushes into the form in which rows are stored.

A Worker may push anything: an object, an object encoded twice, a single value, text that is not
JSON, numbers of forty digits, half a surrogate pair. Each case has a rule, so that all stores,
exports and clients get the same row:

====================================  ========================================================
pushed                                stored
====================================  ========================================================
an object                             the object, without the markers of SDKs and row ids
a JSON string that contains JSON      the decoded JSON
an array, a number, text, null        ``{"value": ...}``
text that is not JSON                 ``{"__raw": text}``
a number                              the same digits
a number too large for readers        its digits as text, with a warning
NaN, Infinity, -Infinity              null, with a warning
half a surrogate pair, broken UTF-8   U+FFFD, with a warning
the same key twice                    the last value
more than 64 levels                   refused
more than 8 MiB                       refused
====================================  ========================================================

Numbers never become floats: the values of a row stay JSON text (``msgspec.Raw``). The rare cases
are repaired in the text before it is parsed, so all rows take the same path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from fyke.errors import Refused
from fyke.model.results import MAX_ROW_BYTES, ROW_ID, UPSERT_KEY, UPSERT_VALUE, PushedRow

MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 4300  # Python's JSON parser refuses longer ones

NOT_A_NUMBER = "A row contained NaN or Infinity, which is not valid JSON; null was stored instead."
BROKEN_TEXT = (
    "A row contained text that is not valid Unicode (broken UTF-8 or half a surrogate pair); "
    "U+FFFD was stored in its place."
)
NUMBER_TOO_LARGE = (
    "A row contained a number too large for JSON parsers; its digits were stored as text."
)

_WRAP_BYTES = 64  # for the {"value": ...} that is added to a row of exactly the maximum size
_FULL_CHECK_BYTES = 64 * 1024

_Fields = dict[str, msgspec.Raw]

_decode_fields = msgspec.json.Decoder(_Fields).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_strings = re.compile(_STRING, re.DOTALL)
_string_or_constant = re.compile(_STRING + rb"|-?Infinity|NaN", re.DOTALL)
_string_or_number = re.compile(_STRING + rb"|-?[0-9][0-9.eE+-]*+", re.DOTALL)
_escape = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # group 1: one half alone
    rb"|.)",
    re.DOTALL,
)
_raw_surrogate = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_large_number = re.compile(rb"[0-9](?:[0-9]{299}|[eE]\+?[0-9]{3,}+\s*[,\]}])")
_not_brackets = bytes(set(range(256)) - set(b"[]{}"))
_innermost = re.compile(rb"(?:\[\]|\{\})+")


class RowRefused(Refused):
    """The row was not stored; the message names the limit and the remedy."""

    key = "row_refused"
    default = "Row refused"


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """A row ready to be stored, and sentences about the values that were replaced."""

    row: PushedRow
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _RowValue:
    """Valid JSON text of one value, and warnings about what was repaired."""

    text: bytes
    fields: _Fields | None  # when it is an object
    warnings: list[str]


def decode_row(pushed: bytes) -> DecodedRow:
    """Decode the ``jsonString`` of a PushData call into a row.

    Raises ``RowRefused`` when the row is too large or nested too deeply, but not for text that is
    not JSON.
    """
    value = _parse(pushed)
    if value is None:
        return _raw_text(pushed)
    if value.text[:1] == b'"':
        value = _decode_once_more(value)
    if value.fields is None:
        return _row(b'{"value":' + value.text + b"}", value.warnings)
    return _object_row(value.fields, value.warnings)


def _parse(text: bytes) -> _RowValue | None:
    """Parse one JSON value; None when the text is not JSON. Checks size and depth."""
    warnings: list[str] = []
    if len(text) > MAX_ROW_BYTES and not _is_string(text):
        raise _too_large(len(text))
    text = _repair_text(text, warnings)
    try:
        value = _parse_valid(text, warnings)
    except msgspec.DecodeError:
        repaired = _without_constants(text)
        if repaired is None:
            return None
        try:
            value = _parse_valid(repaired, warnings)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        warnings.append(NOT_A_NUMBER)
    except UnicodeDecodeError:  # pragma: no cover - the text was repaired above
        return None
    if value.text[:1] != b'"' and len(text) > MAX_ROW_BYTES:
        raise _too_large(len(text))
    return value


def _is_string(text: bytes) -> bool:
    """Whether the text is a JSON string; the row encoded in it may be smaller than the text."""
    return text.lstrip()[:1] == b'"'


def _parse_valid(text: bytes, warnings: list[str]) -> _RowValue:
    try:
        fields = _decode_fields(text) if text.lstrip()[:1] == b"{" else None
        plain = bytes(_decode_raw(text)).strip() if fields is None else text
    except RecursionError:
        raise _too_deep() from None
    _check_depth(plain)
    if not _numbers_readable(plain):
        plain = _large_numbers_as_text(plain, warnings)
        fields = _decode_fields(plain) if fields is not None else None
    return _RowValue(plain if fields is not None else _compact(plain), fields, warnings)


def _decode_once_more(outer: _RowValue) -> _RowValue:
    """The value inside a JSON string, or the string itself when it contains no JSON."""
    text = _decode_text(outer.text).encode()
    inner = _parse(text)
    if inner is not None:
        return _RowValue(inner.text, inner.fields, outer.warnings + inner.warnings)
    if len(text) > MAX_ROW_BYTES:
        raise _too_large(len(text))
    return outer


def _object_row(fields: _Fields, warnings: list[str]) -> DecodedRow:
    key = value = None
    if ROW_ID in fields:
        del fields[ROW_ID]
    if UPSERT_KEY in fields:
        key = fields.pop(UPSERT_KEY)
    if UPSERT_VALUE in fields:
        value = fields.pop(UPSERT_VALUE)
    data = _compact(_encode(fields))
    if key is None or value is None:
        return _row(data, warnings)
    return _row(data, warnings, _marker_text(key), _marker_text(value))


def _marker_text(raw: msgspec.Raw) -> str:
    """The text of an upsert marker. SDKs send a string; of any other value it is the JSON text.

    NUL is escaped, because PostgreSQL does not store it in text.
    """
    encoded = bytes(raw).strip()
    text = _decode_text(encoded) if encoded[:1] == b'"' else encoded.decode()
    return text.replace("\x00", "\\u0000")


def _row(data: bytes, warnings: list[str], key: str = "", value: str = "") -> DecodedRow:
    if len(data) > MAX_ROW_BYTES + _WRAP_BYTES:
        raise _too_large(len(data))
    row = PushedRow(data, key, value) if key else PushedRow(data)
    return DecodedRow(row, tuple(dict.fromkeys(warnings)))


def _raw_text(pushed: bytes) -> DecodedRow:
    """A row for text that is not JSON, so that what was scraped is not lost."""
    if len(pushed) > MAX_ROW_BYTES:
        raise _too_large(len(pushed))
    warnings: list[str] = []
    text = _repair_utf8(pushed, warnings).decode()
    return _row(_encode({"__raw": text}), warnings)


def _compact(text: bytes) -> bytes:
    return msgspec.json.format(text, indent=-1)


def _repair_text(text: bytes, warnings: list[str]) -> bytes:
    text = _repair_utf8(text, warnings)
    if b"\\ud" not in text and b"\\uD" not in text:
        return text
    repaired, count = _replace_half_pairs(text)
    if count:
        warnings.append(BROKEN_TEXT)
    return repaired


def _repair_utf8(text: bytes, warnings: list[str]) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        warnings.append(BROKEN_TEXT)
        without_surrogates = _raw_surrogate.sub(b"\xef\xbf\xbd", text)
        return without_surrogates.decode(errors="replace").encode()
    return text


def _replace_half_pairs(text: bytes) -> tuple[bytes, int]:
    """Replace escaped halves of surrogate pairs; backslashes occur in JSON only in strings."""
    count = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal count
        if match[1] is None:
            return match[0]
        count += 1
        return b"\\ufffd"

    return _escape.sub(replace, text), count


def _without_constants(text: bytes) -> bytes | None:
    """The text with NaN and the infinities as null, or None when it contains none of them."""
    if b"NaN" not in text and b"Infinity" not in text:
        return None
    return _string_or_constant.sub(lambda m: m[0] if m[0][:1] == b'"' else b"null", text)


def _numbers_readable(text: bytes) -> bool:
    """Whether common JSON parsers can represent every number. A small row is checked fastest by
    decoding it, a large one by searching for numbers that may be too large.
    """
    if len(text) > _FULL_CHECK_BYTES:
        return _large_number.search(text) is None
    try:
        _decode_any(text)
    except msgspec.DecodeError:
        return False
    return True


def _large_numbers_as_text(text: bytes, warnings: list[str]) -> bytes:
    changed = False

    def quote(match: re.Match[bytes]) -> bytes:
        nonlocal changed
        token = match[0]
        if token[:1] == b'"' or _readable(token):
            return token
        changed = True
        return b'"' + token + b'"'

    text = _string_or_number.sub(quote, text)
    if changed:
        warnings.append(NUMBER_TOO_LARGE)
    return text


def _readable(number: bytes) -> bool:
    if number.lstrip(b"-").isdigit():
        return len(number.lstrip(b"-")) <= MAX_INTEGER_DIGITS
    return abs(float(number)) != float("inf")


def _check_depth(text: bytes) -> None:
    """Raise ``RowRefused`` for too deep nesting: remove the innermost brackets ``MAX_DEPTH`` times,
    then none may be left. It is not recursive, and fast for a row of 8 MiB.
    """
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return
    brackets = _strings.sub(b"", text).translate(None, _not_brackets)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = _innermost.sub(b"", brackets)
    if brackets:
        raise _too_deep()


def _too_deep() -> RowRefused:
    return RowRefused(
        f"The row is nested more than {MAX_DEPTH} levels deep, which is the limit. "
        "Push the inner parts as rows of their own, or as text."
    )


def _too_large(size: int) -> RowRefused:
    return RowRefused(
        f"The row has {size} bytes; the limit is {MAX_ROW_BYTES} bytes (8 MiB). "
        "Push it in smaller rows."
    )
