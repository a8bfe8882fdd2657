"""Names for things: ULIDs, subtask numbers, secrets.

A ULID is a name, never a permission: a caller that knows one still needs a credential.
"""

from __future__ import annotations

import re
import secrets

from ulid import ULID

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_ulid() -> str:
    """Return a fresh 26-character ULID: 48 bits of time, 80 random bits."""
    return str(ULID())


def is_ulid(text: str) -> bool:
    """Return whether ``text`` has the form of a ULID, upper case."""
    return _ULID.fullmatch(text) is not None


def new_subtask_number(now_ms: int) -> str:
    """Return a 17-digit decimal string, as the contract shows for log groups.

    Thirteen digits of milliseconds and four random ones that are never 0000 (that is the run's
    own number, see ``run_number``). Uniqueness within a run is the caller's to check, since a run
    draws many in the same millisecond.
    """
    return f"{now_ms % 10**13:013d}{1 + secrets.randbelow(9_999):04d}"


def run_number(created_ms: int) -> str:
    """Return the 17-digit name under which a run itself, not a subtask, appears in its log."""
    return f"{created_ms % 10**13:013d}0000"


def random_crockford(length: int) -> str:
    """Return ``length`` random characters of Crockford's base 32, five bits each."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(length))
