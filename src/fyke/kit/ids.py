"""ULIDs, subtask numbers and random text.

Knowing a ULID grants nothing: a caller still needs a credential.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from functools import lru_cache

from ulid import ULID

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in CROCKFORD for second in CROCKFORD)  # of ten bits
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_ulid() -> str:
    """Return a new 26-character ULID: 48 bits of time, 80 random bits."""
    return str(ULID())


def new_unordered_ulid() -> str:
    """Like ``new_ulid`` at a third of its cost, but those of one millisecond are in no order."""
    number = int.from_bytes(os.urandom(10))
    return (
        _time_part(time.time_ns() // 1_000_000)
        + _PAIRS[number >> 70]
        + _PAIRS[number >> 60 & 1023]
        + _PAIRS[number >> 50 & 1023]
        + _PAIRS[number >> 40 & 1023]
        + _PAIRS[number >> 30 & 1023]
        + _PAIRS[number >> 20 & 1023]
        + _PAIRS[number >> 10 & 1023]
        + _PAIRS[number & 1023]
    )


@lru_cache(1)
def _time_part(ms: int) -> str:
    """The ten characters of a ULID's milliseconds."""
    return "".join(_PAIRS[ms >> shift & 1023] for shift in (40, 30, 20, 10, 0))


def is_ulid(text: str) -> bool:
    """Whether ``text`` is an upper-case ULID."""
    return _ULID.fullmatch(text) is not None


def new_subtask_number(now_ms: int) -> str:
    """Return the 17 digits that name a subtask in the log of its run.

    They are thirteen digits of milliseconds and four random digits; 0000 is reserved for the run
    itself, see ``run_number``. The caller checks that the numbers are unique within the run,
    because many are created in the same millisecond.
    """
    return f"{now_ms % 10**13:013d}{1 + secrets.randbelow(9_999):04d}"


def run_number(created_ms: int) -> str:
    """Return the 17 digits that name the run as a whole in its log."""
    return f"{created_ms % 10**13:013d}0000"


def random_crockford(length: int) -> str:
    """Return ``length`` random characters of Crockford's base 32, five bits each."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(length))
