"""API keys: generated here, shown once, stored only as a digest.

A key has 128 random bits, so a plain SHA-256 is enough: it cannot be guessed, and the lookup stays
one indexed read. The text after the prefix has the form of a ULID, which existing clients expect;
unlike a ULID it contains no time.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from fyke.kit.ids import CROCKFORD, random_crockford
from fyke.model.account import KEY_PREFIX, Scope

MAX_KEY_NAME = 64  # characters
MAX_RATE = 100_000  # requests a second of one key

_KEY = re.compile(re.escape(KEY_PREFIX) + f"[0-7][{CROCKFORD}]{{25}}")
_SHOWN_CHARS = len(KEY_PREFIX) + 4


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key, the only time its text is known. ``key`` is not in the representation."""

    id: str
    name: str
    expires_at: int  # 0 = never
    scopes: frozenset[Scope]
    key: str = field(repr=False)


def generate() -> str:
    """Return a new key: the prefix and 128 random bits in 26 characters."""
    return KEY_PREFIX + secrets.choice("01234567") + random_crockford(25)


def has_key_form(text: str) -> bool:
    """Whether the text has the form of a key; it need not be a valid one."""
    return _KEY.fullmatch(text) is not None


def digest(key: str) -> str:
    """Return the stored digest of a key: 64 lower-case hex digits. Any text has one."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def shown_prefix(key: str) -> str:
    """Return the part of a key that lists show, so that users recognise their keys."""
    return key[:_SHOWN_CHARS]
