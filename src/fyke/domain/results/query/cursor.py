"""Cursors: the position of a reader in the rows, as opaque text that the client sends back.

A cursor is not signed, because it grants no access: every request checks that the caller may read
the run. It is valid only for the run, filters and order for which it was made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

import msgspec

from fyke.domain.results.query.model import RowSelection
from fyke.errors import InvalidFields

_Parts = tuple[bytes, int, int, int]
_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(_Parts).decode
_DIGEST_BYTES = 8
_MAX_POSITION = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page starts: after a position, or at an offset in a row order."""

    position: int = 0  # of the last row that was read, 0 at the start
    offset: int = 0  # in a row order: the number of rows that were read
    bound: int = 0  # in a row order: the last position that it covers


def encode(cursor: Cursor, run_id: str, selection: RowSelection) -> str:
    """The text of a cursor: letters, digits, ``-`` and ``_``."""
    parts = (_digest(run_id, selection), cursor.position, cursor.offset, cursor.bound)
    return base64.urlsafe_b64encode(_encode(parts)).decode().rstrip("=")


def decode(text: str, run_id: str, selection: RowSelection) -> Cursor:
    """Parse a cursor. Raises ``InvalidFields``, also for the cursor of another run or order."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        digest, *numbers = _decode(data)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise InvalidFields(
            "must be the next_cursor of an earlier answer, or * to begin", field="cursor"
        ) from None
    if digest != _digest(run_id, selection) or not all(0 <= n <= _MAX_POSITION for n in numbers):
        raise InvalidFields(
            "cursor belongs to another run, sort or filter; keep them as they were, or begin again "
            "with *"
        )
    return Cursor(*numbers)


def _digest(run_id: str, selection: RowSelection) -> bytes:
    text = repr((run_id, selection)).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).digest()[:_DIGEST_BYTES]
