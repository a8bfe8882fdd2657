"""A total order over JSON values: keys of bytes that compare in that order.

====  ===============  =====================================================================
rank  kind             within the kind
====  ===============  =====================================================================
1     null
2     false, true      in this order
3     numbers          by value, exactly, however many digits they have
4     text             by Unicode code points, of the first 512 bytes of UTF-8
5     arrays           by the first 512 bytes of their JSON text
6     objects          by the first 512 bytes of their JSON text
====  ===============  =====================================================================

The order does not depend on the database or the language, so that all installations sort alike.
Values whose first 512 bytes are equal count as equal.
"""

from __future__ import annotations

import msgspec

TEXT_BYTES = 512

_text = msgspec.json.Decoder(str).decode
_INVERT = bytes(range(255, -1, -1))
_MAX_EXPONENT = 2**62  # all greater powers of ten are equal
_RANKS = {b"[": b"\x50", b"{": b"\x60", b"n": b"\x10", b"f": b"\x20", b"t": b"\x21"}


def sort_key(token: bytes) -> bytes:
    """The key of a value's JSON text. No key is a prefix of another."""
    first = token[:1]
    if first == b'"':
        text = _text(token).encode()[:TEXT_BYTES]
        return b"\x40" + text.replace(b"\x00", b"\x00\xff") + b"\x00\x00"
    rank = _RANKS.get(first)
    if rank is None:
        return b"\x30" + number_key(token)
    return rank + token[:TEXT_BYTES] + b"\x00" if first in b"[{" else rank


def number_key(token: bytes) -> bytes:
    """The key of a JSON number: sign, power of ten, digits."""
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
