"""A total order over JSON values: keys of each kind that Python compares in that order.

=======  ===============  ==================================================================
kind     values           within the kind
=======  ===============  ==================================================================
LITERAL  null, booleans   null, false, true
NUMBER   numbers          by value, exactly, of the first 512 digits
TEXT     text             by Unicode code points, of the first 512 bytes of UTF-8
NESTED   arrays, objects  by the first 512 bytes of their JSON text, so arrays before objects
=======  ===============  ==================================================================

The order does not depend on the database or the language, so that all installations sort alike.
Values whose first 512 bytes or digits are equal count as equal, so the longest keys are short.

Millions of values are sorted while a client waits, so keys are what Python compares fastest:
floats, integers, and bytes as Latin-1 text. A float is the key of one number only, of its shortest
decimal, such as 0.1. Other numbers that round to it have a tuple that begins with it and continues
with their digits. From 2**53 to 2**63 integers are the keys, instead of floats.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import compress
from types import NoneType
from typing import Any

import msgspec

from fyke.domain.results.query.picker import Column

LITERAL, NUMBER, TEXT, NESTED = KINDS = range(4)
TEXT_BYTES = 512

# the tuple: a float or int near the number, -1 or 1 for a number below or above it, all digits
Exact = tuple[float | int, int, str]
Key = float | int | str | Exact
# arrays and objects stay JSON text; the tuple is the key of a number beyond the range of floats
Value = float | str | bool | bytes | Exact | None
_Scalar = float | str | bool | None

_scalar = msgspec.json.Decoder(_Scalar).decode
_scalars = msgspec.json.Decoder(list[_Scalar]).decode
_integers = msgspec.json.Decoder(list[int]).decode
_encode = msgspec.json.Encoder().encode
_INVERT = bytes(range(255, -1, -1))
_MAX_EXPONENT = 2**62  # all greater powers of ten are equal
_LITERALS = {None: 0.0, False: 1.0, True: 2.0}
_EXACT_CHARS = 15  # a number of so many digits without an exponent is that of its float
_INTEGERS = 2.0**53  # from here on floats do not represent each integer
_LARGE = 2.0**63  # the file of a sort has integers of 64 bits
_DIGITS_END = 9 + TEXT_BYTES  # of the text in a key: sign, power of ten, digits
_HAS_EXPONENT = re.compile(b"[eE]").search


def read_values(tokens: Column) -> list[Value]:
    """The values of tokens; None also where there is no token."""
    texts = tokens if all(tokens) else [token or b"null" for token in tokens]
    return _read(texts, _joined(texts))


def _joined(tokens: Sequence[Any]) -> bytes:
    return b",".join(tokens)


def _read(tokens: Sequence[Any], joined: bytes) -> list[Value]:
    try:
        return _scalars(b"[%s]" % joined)  # type: ignore[return-value]
    except msgspec.ValidationError:
        return list(map(_value, tokens))


def keys_by_kind(
    tokens: Column, positions: list[int]
) -> Iterator[tuple[int, list[Key], list[int]]]:
    """The keys of tokens, none of which is None, and their positions, by kind."""
    joined = _joined(tokens)
    values = _read(tokens, joined)
    types = set(map(type, values))
    for found in types:
        kind, keys = _KEYS[found]
        if len(types) == 1:
            yield kind, keys(values, tokens, joined), positions
            return
        chosen = [type(value) is found for value in values]
        some = list(compress(tokens, chosen))
        some_keys = keys(list(compress(values, chosen)), some, _joined(some))
        yield kind, some_keys, list(compress(positions, chosen))


def number_key(value: float, token: bytes) -> Key:
    """The key of a JSON number; ``value`` is the nearest float."""
    if abs(value) < _INTEGERS:
        shortest = repr(value).encode()
        if shortest in (token, token + b".0"):
            return value
        exact, nearest = exact_number(token), exact_number(shortest)
        if exact == nearest:
            return value
        return value, 1 if exact > nearest else -1, exact.decode("latin-1")
    if abs(value) < _LARGE:
        number = int(token) if token.isdigit() else Decimal(token.decode())
        whole = math.floor(number)
        return whole if number == whole else (whole, 1, exact_number(token).decode("latin-1"))
    return value, 0, exact_number(token).decode("latin-1")


def comparable(keys: Iterable[Key]) -> list[Exact]:
    """Keys of numbers, all as tuples."""
    return [key if type(key) is tuple else (key, 0, "") for key in keys]  # type: ignore[misc]


def exact_number(token: bytes) -> bytes:
    """A JSON number as bytes that compare in the same order: sign, power of ten, digits."""
    negative = token[:1] == b"-"
    mantissa, _, exponent = (token[1:] if negative else token).lower().partition(b"e")
    whole, _, fraction = mantissa.partition(b".")
    digits = (whole + fraction).lstrip(b"0")
    power = len(digits) - len(fraction)
    digits = digits.rstrip(b"0")
    if not digits:
        return b"\x01"
    if exponent:
        power += _integer(exponent)
    power = min(max(power, -_MAX_EXPONENT), _MAX_EXPONENT) + _MAX_EXPONENT
    key = power.to_bytes(8, "big") + digits + b"\x00"
    return b"\x00" + key.translate(_INVERT) if negative else b"\x02" + key


def _integer(exponent: bytes) -> int:
    """The exponent as a number, limited because it may have more digits than Python converts."""
    digits = exponent.lstrip(b"+-").lstrip(b"0")
    size = int(digits) if 0 < len(digits) <= 18 else (_MAX_EXPONENT if digits else 0)
    return -size if exponent[:1] == b"-" else size


def _value(text: bytes) -> Value:
    try:
        scalar: _Scalar = _scalar(text)
        return scalar
    except msgspec.ValidationError:
        token = bytes(text)
        return token if token[:1] in b"[{" else number_key(float(token), token)


def _literal_keys(values: list[Any], _: Sequence[Any], __: bytes) -> list[Key]:
    return [_LITERALS[value] for value in values]


def _number_keys(values: list[Any], tokens: Sequence[Any], joined: bytes) -> list[Key]:
    """The result of ``number_key`` for each number, most of them found for all at once."""
    exact = 0 if _HAS_EXPONENT(joined) else _EXACT_CHARS
    if max(map(len, tokens)) <= exact:
        return values
    if joined.translate(None, b"-,").isdigit():
        return _integer_keys(values, tokens, joined)
    shortest = _encode(values)[1:-1]  # the shortest decimal of each float
    if shortest == joined and max(map(abs, values)) < _INTEGERS:
        return values
    return [
        value
        if len(token) <= exact or (token == short and abs(value) < _INTEGERS)
        else _short(number_key(value, token))
        for value, token, short in zip(
            values, joined.split(b","), shortest.split(b","), strict=True
        )
    ]


def _integer_keys(values: list[Any], tokens: Sequence[Any], joined: bytes) -> list[Key]:
    largest = max(map(abs, values))
    if largest < _INTEGERS:
        return values
    if largest < _LARGE / 2:
        return _integers(b"[%s]" % joined)  # type: ignore[return-value]
    return [
        _short(number_key(value, bytes(token))) for value, token in zip(values, tokens, strict=True)
    ]


def _short(key: Key) -> Key:
    return (key[0], key[1], key[2][:_DIGITS_END]) if type(key) is tuple else key


def _text_keys(values: list[Any], _: Sequence[Any], __: bytes) -> list[Key]:
    if max(map(len, values)) <= TEXT_BYTES and "".join(values).isascii():
        return values
    return [
        value[:TEXT_BYTES] if value.isascii() else value.encode()[:TEXT_BYTES].decode("latin-1")
        for value in values
    ]


def _nested_keys(values: list[Any], _: Sequence[Any], __: bytes) -> list[Key]:
    return [value[:TEXT_BYTES].decode("latin-1") for value in values]


# from values, their tokens, and these joined with commas
_KEYS: dict[type, tuple[int, Callable[[list[Any], Sequence[Any], bytes], list[Key]]]] = {
    NoneType: (LITERAL, _literal_keys),
    bool: (LITERAL, _literal_keys),
    float: (NUMBER, _number_keys),
    tuple: (NUMBER, lambda values, _, __: list(map(_short, values))),
    str: (TEXT, _text_keys),
    bytes: (NESTED, _nested_keys),
}
