"""The position of a reader in the rows, as an opaque text that the client sends back.

A cursor gives no access: it is only used for a run that the caller may read. So it is not signed;
it just has to be for the same run, filter and order.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

import msgspec

from fyke.domain.results.query.model import FieldSelection
from fyke.errors import InvalidFields

_Parts = tuple[bytes, int, int, int]
_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(_Parts).decode
_MARK_BYTES = 8
_LAST = 2**32 - 1  # as far as positions go


@dataclass(frozen=True, slots=True)
class Cursor:
    """``position`` of the row before, 0 at the start. In an order other than the pushed one also
    its ``offset`` there, and ``bound``: the last position that the order covers.
    """

    position: int = 0
    offset: int = 0
    bound: int = 0


def encode(cursor: Cursor, run_id: str, choice: FieldSelection) -> str:
    """The text of a cursor: letters, digits, ``-`` and ``_``."""
    parts = (_mark(run_id, choice), cursor.position, cursor.offset, cursor.bound)
    return base64.urlsafe_b64encode(_encode(parts)).decode().rstrip("=")


def decode(text: str, run_id: str, choice: FieldSelection) -> Cursor:
    """Read it back. Raises ``InvalidFields``, including for the cursor of another run or order."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        mark, *numbers = _decode(data)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise InvalidFields(
            "must be the next_cursor of an earlier answer, or * to begin", field="cursor"
        ) from None
    if mark != _mark(run_id, choice) or not all(0 <= n <= _LAST for n in numbers):
        raise InvalidFields(
            "cursor belongs to another run, sort or filter; keep them as they were, or begin again "
            "with *"
        )
    return Cursor(*numbers)


def _mark(run_id: str, choice: FieldSelection) -> bytes:
    shown = repr((run_id, choice)).encode("utf-8", "backslashreplace")
    return hashlib.sha256(shown).digest()[:_MARK_BYTES]
