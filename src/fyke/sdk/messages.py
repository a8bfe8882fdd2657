"""The SDK's messages in protobuf's wire format, without generated code.

Every message is a string, or numbers and a string; only the table header is nested. As protobuf
requires, unknown fields are skipped, the last of a repeated scalar counts, and a field of an
unexpected wire type counts as unknown. Truncated messages are malformed. So is a message with very
many fields: no honest client sends one, and reading it would delay all other Workers.
"""

from __future__ import annotations

from collections.abc import Iterator

from fyke.model.results import MAX_HEADERS, Header

MAX_FIELDS = 100  # of a message with texts; the SDK's have at most three

_VARINT, _FIXED64, _BYTES, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_MAX_FIELD = 2**29 - 1


class MalformedMessage(ValueError):
    """The bytes are not a protobuf message."""


def read_text(message: bytes) -> bytes:
    """Field 1 of ``Data`` and ``LogBody``, as bytes; empty when it is missing."""
    if message[:1] == b"\x0a":  # nearly every message is only this field
        size, at = _read_varint(message, 1)
        if at + size == len(message):
            return message[at:]
    text = b""
    for number, value in _byte_fields(message, MAX_FIELDS):
        if number == 1:
            text = value
    return text


def read_headers(message: bytes) -> Iterator[Header]:
    """Yield the items of a ``TableHeader``; there may be thousands."""
    count = 0
    for number, item in _byte_fields(message, MAX_HEADERS + MAX_FIELDS):
        if number != 1:
            continue
        count += 1
        if count > MAX_HEADERS:
            raise MalformedMessage(f"more than {MAX_HEADERS} headers")
        texts = {number: _text(value) for number, value in _byte_fields(item, MAX_FIELDS)}
        yield Header(texts.get(1, ""), texts.get(2, ""), texts.get(3, ""))


def read_progress(message: bytes) -> tuple[int, int, str]:
    """``done``, ``total`` and ``text`` of a ``ProgressBody``."""
    numbers, text = {1: 0, 2: 0}, ""
    for number, value in _fields(message, MAX_FIELDS):
        if isinstance(value, bytes):
            text = _text(value) if number == 3 else text
        elif number in numbers:
            numbers[number] = value - 2**64 if value >= 2**63 else value
    return numbers[1], numbers[2], text


def write_response(code: int, message: str) -> bytes:
    """A ``Response``; ``code`` is not negative."""
    return _number_field(1, code) + _bytes_field(2, message.encode(errors="replace"))


def write_input(input_json: bytes) -> bytes:
    """An ``InputJSONStringResponse`` with code 0."""
    return _bytes_field(2, input_json)


def _text(value: bytes) -> str:
    return value.decode(errors="replace").replace("\x00", "\ufffd")


def _byte_fields(message: bytes, max_fields: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of every field of bytes. More than ``max_fields`` are malformed."""
    for number, value in _fields(message, max_fields):
        if isinstance(value, bytes):
            yield number, value


def _fields(message: bytes, max_fields: int) -> Iterator[tuple[int, bytes | int]]:
    """Yield number and content of every field of bytes, and of every number of variable length."""
    at = count = 0
    while at < len(message):
        count += 1
        if count > max_fields:
            raise MalformedMessage(f"more than {max_fields} fields")
        key, at = _read_varint(message, at)
        number, wire_type = key >> 3, key & 7
        if not 0 < number <= _MAX_FIELD:
            raise MalformedMessage("an invalid field number")
        if wire_type == _BYTES:
            size, at = _read_varint(message, at)
            if at + size > len(message):
                raise MalformedMessage("the message is cut off")
            yield number, message[at : at + size]
            at += size
        elif wire_type == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
        else:
            at = _skip(message, at, wire_type)


def _skip(message: bytes, at: int, wire_type: int) -> int:
    if wire_type not in (_FIXED64, _FIXED32):
        raise MalformedMessage(f"wire type {wire_type} is not supported")
    end = at + (8 if wire_type == _FIXED64 else 4)
    if end > len(message):
        raise MalformedMessage("the message is cut off")
    return end


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number of at most ten bytes and 64 bits, and the offset after it."""
    value = 0
    for index, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (2**64 - 1), at + index + 1
    raise MalformedMessage("a number without an end")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number_field(number: int, value: int) -> bytes:
    return bytes([number << 3 | _VARINT]) + _varint(value) if value else b""


def _bytes_field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _varint(len(value)) + value if value else b""
