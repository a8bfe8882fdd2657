"""Row ids, and the columns of a run whose Worker has declared none.

A row's id is derived from its run and position, so it is not stored, does not change with an upsert
and is the same in every response. It reveals nothing about the row and gives no access.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from fyke.model.results import ROW_ID, Header, Row

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ID_FIELD = f'"{ROW_ID}":"'.encode()
_FORMATS = {
    b'"': "text",
    b"t": "boolean",
    b"f": "boolean",
    b"[": "array",
    b"{": "object",
}


def data_id(run_id: str, position: int) -> str:
    """Return the id of the row at ``position`` of a run: 64 lower-case hex digits."""
    return hashlib.sha256(f"{run_id}/{position}".encode()).hexdigest()


def with_id(row: Row) -> bytes:
    """Return the row's JSON object with its id as the last member, otherwise unchanged."""
    body = row.data[:-1]
    comma = b"" if body == b"{" else b","
    identity = data_id(row.run_id, row.position).encode()
    return b"".join((body, comma, _ID_FIELD, identity, b'"}'))


def headers_from_rows(rows: Iterable[Row]) -> list[Header]:
    """Derive columns from rows: keys in the order of their first occurrence, format by the first
    value that is not null (text when there is none).
    """
    formats: dict[str, str] = {}
    for row in rows:
        for key, raw in _fields(row.data).items():
            if not formats.get(key):
                formats[key] = _format_of(bytes(raw))
    return [Header(label=key, key=key, format=kind or "text") for key, kind in formats.items()]


def with_undeclared(declared: Sequence[Header], rows: Iterable[Row]) -> list[Header]:
    """The declared columns, then the other keys of ``rows`` in the order of first occurrence."""
    keys = {header.key for header in declared}
    return [
        *declared,
        *(header for header in headers_from_rows(rows) if header.key not in keys),
    ]


def _format_of(token: bytes) -> str:
    first = token[:1]
    if first == b"n":
        return ""
    if first in _FORMATS:
        return _FORMATS[first]
    return "integer" if token.lstrip(b"-").isdigit() else "number"
