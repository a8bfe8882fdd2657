"""Passwords: the rules for a new one, and the hashes that are kept instead.

Hashing takes tens of milliseconds and 64 MiB on purpose. It runs in threads, few at once, so that
a flood of sign-ins cannot block the event loop or exhaust the memory of a server.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fyke.domain.accounts.common_passwords import COMMON
from fyke.errors import InvalidRequest, RateLimited

T = TypeVar("T")

MIN_LENGTH = 10
MAX_LENGTH = 1024
AT_ONCE = 2
MAX_WAITING = 64
_DIFFERENT = 4  # characters, at the least
_BESIDES_NAME = 6  # characters, when the name is left out


class Passwords:
    """Hashes and verifies, ``AT_ONCE`` at a time; beyond ``MAX_WAITING`` requests are refused."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._unknown_hash = ""

    async def hash(self, password: str) -> str:
        """Hash a password that ``check_new`` has accepted."""
        return await self._turn(self._hasher.hash, _bytes(password))

    async def verify(self, kept: str, password: str) -> bool:
        """Whether the password matches the hash ``kept``. Without a hash the answer is no after
        the same time, so that the time does not reveal which users exist.
        """
        matches = await self._turn(self._verify, kept, _bytes(password[: MAX_LENGTH + 1]))
        return matches and bool(kept) and len(password) <= MAX_LENGTH

    def is_dated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(kept)

    def _verify(self, kept: str, password: bytes) -> bool:
        if not kept and not self._unknown_hash:
            self._unknown_hash = self._hasher.hash(b"no user has this password")
        try:
            return self._hasher.verify(kept or self._unknown_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _turn(self, work: Callable[..., T], *args: object) -> T:
        if self._waiting >= MAX_WAITING:
            raise RateLimited(5, "Too many people are signing in; try again in 5 seconds")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1


def check_new(password: str, user_name: str, field: str = "password") -> None:
    """Raise ``InvalidRequest`` for a password that is easy to guess; all characters are allowed.
    The message starts with ``field``.
    """
    if len(password) < MIN_LENGTH:
        raise InvalidRequest(
            f"{len(password)} characters are too few; use at least {MIN_LENGTH}", field=field
        )
    if len(password) > MAX_LENGTH:
        raise InvalidRequest(f"at most {MAX_LENGTH} characters are possible", field=field)
    plain = _normal(password).casefold()
    if len(set(plain)) < _DIFFERENT:
        raise InvalidRequest(
            f"use at least {_DIFFERENT} different characters; a few words in a row are "
            "good, for example",
            field=field,
        )
    if plain in COMMON:
        raise InvalidRequest(
            "this is one of the passwords that are tried first; choose another one", field=field
        )
    if user_name and len(plain.replace(user_name.casefold(), "")) < min(_BESIDES_NAME, len(plain)):
        raise InvalidRequest(
            "it is hardly more than the user name; choose something of its own", field=field
        )


def _normal(password: str) -> str:
    """The same form for characters that keyboards compose in different ways."""
    return unicodedata.normalize("NFC", password)


def _bytes(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogatepass")
