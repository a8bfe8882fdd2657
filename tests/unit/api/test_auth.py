"""Credentials of a request, and the limits before they are checked."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from fyke.api.auth import BYTES_PER_REQUEST, KEYS_AT_ONCE, AccessControl, credential
from fyke.api.ratelimit import TokenBuckets
from fyke.errors import ExpiredKey, InvalidKey, MissingKey, RateLimited
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller
from support.refusals import RecordedRefusals

pytestmark = pytest.mark.anyio

CALLER = Caller("a", "ada", False, "u", "k")


def _scope(query: str = "", **headers: str) -> dict[str, Any]:
    listed = [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
    return {"type": "http", "method": "GET", "headers": listed, "query_string": query.encode()}


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (_scope(), None),
        (_scope(api_key="K"), "K"),
        (_scope(api_key="  K  "), "K"),
        (_scope(x_api_key="K"), "K"),
        (_scope(authorization="Bearer K"), "K"),
        (_scope(authorization="bearer    K "), "K"),
        (_scope(authorization="Bearer"), None),
        (_scope(authorization="Bearer ", api_key="K"), "K"),
        (_scope(authorization="Basic abc", api_key="K"), "K"),
        (_scope(authorization="Bearer A", api_key="B"), "A"),
        (_scope("token=C", api_key="B"), "B"),
        (_scope("x=1&token=C&token=D"), "C"),
        (_scope("token=a%2Bb+c"), "a+b c"),
        (_scope("token="), None),
        (_scope("mytoken=C"), None),
        (_scope(cookie="x-coreclaw-t=K"), None),
        (_scope(cookie="x-coreclaw-t=K") | {"path": "/api/v1/run/list"}, None),
        (_scope(cookie="a=b; x-coreclaw-t= K ;c") | {"path": "/api/actors/create"}, "K"),
        (_scope(cookie="x-coreclaw-t=K", origin="null") | {"path": "/api/actors/create"}, None),
        (
            _scope(cookie="x-coreclaw-t=K", sec_fetch_site="none") | {"path": "/api/actors/create"},
            None,
        ),
        (_scope(cookie="x-coreclaw-t=") | {"path": "/api/common/upload"}, None),
        (_scope(cookie="x-coreclaw-t=K", api_key="B") | {"path": "/api/common/upload"}, "B"),
        (_scope("&".join(["a=1"] * 5000) + "&token=C"), "C"),
    ],
)
def test_the_order_of_credentials(scope: dict[str, Any], key: str | None) -> None:
    assert credential(scope) == key


class Keys:
    """Accepts one key and counts the calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.valid = "good"

    async def authenticate(self, key_text: str, key_digest: str = "") -> Caller:
        self.calls += 1
        if key_text == "old":
            raise ExpiredKey
        if key_text != self.valid:
            raise InvalidKey
        return CALLER


def _access(
    keys: Keys,
    clock: ManualClock,
    *,
    rate: float = 0,
    guesses: int = 3,
    refusals: RecordedRefusals | None = None,
) -> AccessControl:
    requests, invalid = TokenBuckets(rate, 2, clock), TokenBuckets(1 / 6, guesses, clock)
    return AccessControl(keys, requests, invalid, refusals or RecordedRefusals())


async def test_a_missing_or_too_long_key_is_not_looked_up() -> None:
    keys = Keys()
    access = _access(keys, ManualClock())
    for key, error in ((None, MissingKey), ("k" * 600, InvalidKey)):
        with pytest.raises(error):
            await access.require(_scope(**({"api_key": key} if key else {})), "1.2.3.4")
    assert keys.calls == 0


async def test_invalid_keys_are_recorded_and_never_themselves() -> None:
    refusals = RecordedRefusals()
    access = _access(Keys(), ManualClock(), refusals=refusals)
    for key, error in (("bad", InvalidKey), ("old", ExpiredKey)):
        with pytest.raises(error):
            await access.require(_scope(api_key=key), "192.0.2.1")
    assert await access.recognise(_scope(api_key="bad"), "192.0.2.2") is None
    await access.require(_scope(api_key="good"), "192.0.2.1")
    with pytest.raises(MissingKey):
        await access.require(_scope(), "192.0.2.1")
    assert refusals.without_key == [
        ("192.0.2.1", "GET", "The API key is not valid"),
        ("192.0.2.1", "GET", "The API key has expired"),
        ("192.0.2.2", "GET", "The API key is not valid"),
    ]


async def test_the_rate_limit_is_checked_before_the_credentials() -> None:
    keys = Keys()
    access = _access(keys, ManualClock(), rate=1)
    for _ in range(2):
        assert await access.require(_scope(api_key="good"), "1.2.3.4") == CALLER
    with pytest.raises(RateLimited):
        await access.require(_scope(api_key="good"), "1.2.3.4")
    assert keys.calls == 2


async def test_more_keys_do_not_make_an_account_faster() -> None:
    class Many(Keys):
        async def authenticate(self, key_text: str, key_digest: str = "") -> Caller:
            account, _, number = key_text.partition(" ")
            rate = 100 if number == "fast" else 0
            return Caller(account, account, False, "u", number, rate_limit=rate)

    clock = ManualClock()
    access = _access(Many(), clock, rate=1)

    async def admitted(account: str, keys: int) -> int:
        found = 0
        for number in range(keys):
            try:
                await access.require(_scope(api_key=f"{account} {number}"), "1.2.3.4")
                found += 1
            except RateLimited as error:
                assert "all keys of the account" in error.message and error.retry_after == 1
        return found

    assert await admitted("acme", 50) == 2 * KEYS_AT_ONCE
    with pytest.raises(RateLimited, match="all keys of the account"):  # and is no guest meanwhile
        await access.recognise(_scope(api_key="acme again"), "1.2.3.4")
    assert await admitted("other", 5) == 5
    clock.advance(1)
    assert await admitted("acme", 50) == KEYS_AT_ONCE
    # a key to which the operator has granted more has that for itself
    for _ in range(50):
        clock.advance(0.02)
        await access.require(_scope(api_key="acme fast"), "1.2.3.4")


async def test_without_a_limit_of_keys_there_is_none_of_accounts() -> None:
    access = _access(Keys(), ManualClock())
    callers = [await access.require(_scope(api_key="good"), "1.2.3.4") for _ in range(1000)]
    assert len(callers) == 1000 and all(callers)


async def test_a_large_body_counts_as_several_requests() -> None:
    clock = ManualClock()
    access = _access(Keys(), clock, rate=1)
    scope = _scope(api_key="good")
    await access.require(scope, "1.2.3.4")
    access.charge(scope, BYTES_PER_REQUEST - 1)
    access.charge(scope, 10 * BYTES_PER_REQUEST)  # 1 - 10
    with pytest.raises(RateLimited) as refused:
        access.charge(scope, BYTES_PER_REQUEST)
    assert refused.value.retry_after == 10
    with pytest.raises(RateLimited):
        await access.require(_scope(api_key="good"), "1.2.3.4")
    clock.advance(10)
    assert await access.require(_scope(api_key="good"), "1.2.3.4") == CALLER


async def test_invalid_keys_of_an_address_are_limited() -> None:
    keys, clock = Keys(), ManualClock()
    access = _access(keys, clock)
    limited = 0
    for number in range(1000):
        try:
            await access.require(_scope(api_key=f"guess-{number}"), "1.2.3.4")
        except RateLimited as error:
            limited += 1
            assert error.retry_after <= 6
        except InvalidKey:
            continue
    assert (limited, keys.calls) == (997, 3)
    clock.advance(60)
    with pytest.raises(InvalidKey):
        await access.require(_scope(api_key="once more"), "1.2.3.4")
    with pytest.raises(InvalidKey):
        await access.require(_scope(api_key="from elsewhere"), "5.6.7.8")


async def test_a_valid_key_works_while_its_address_guesses() -> None:
    keys = Keys()
    access = _access(keys, ManualClock())
    await access.require(_scope(api_key="good"), "1.2.3.4")
    for _ in range(10):
        with pytest.raises((InvalidKey, RateLimited)):
            await access.require(_scope(api_key="bad"), "1.2.3.4")
    assert await access.require(_scope(api_key="good"), "1.2.3.4") == CALLER
    keys.valid = "renewed"
    with pytest.raises(InvalidKey):
        await access.require(_scope(api_key="good"), "1.2.3.4")
    with pytest.raises(RateLimited):  # the key is no longer known as valid
        await access.require(_scope(api_key="good"), "1.2.3.4")


async def test_an_expired_key_raises_its_own_error() -> None:
    with pytest.raises(ExpiredKey):
        await _access(Keys(), ManualClock()).require(_scope(api_key="old"), "1.2.3.4")


async def test_public_operations_ignore_invalid_keys() -> None:
    access = _access(Keys(), ManualClock())
    assert await access.recognise(_scope(api_key="good"), "1.2.3.4") == CALLER
    for scope in (_scope(), _scope(api_key="bad"), _scope(api_key="old")):
        assert await access.recognise(scope, "1.2.3.4") is None


# --- turns of large bodies


@pytest.mark.parametrize("fails", [False, True])
async def test_other_requests_are_served_between_large_bodies(fails: bool) -> None:
    access = _access(Keys(), ManualClock())
    order: list[str] = []

    async def decode_large_body() -> None:
        async with access.turn(BYTES_PER_REQUEST):
            order.append("large")
            if fails:
                raise ValueError

    async def serve_others() -> None:
        while order.count("large") < 3:
            order.append("other")
            await asyncio.sleep(0)

    bodies = [decode_large_body() for _ in range(3)]
    await asyncio.gather(*bodies, serve_others(), return_exceptions=True)
    assert ("large", "large") not in pairwise(order)


async def test_small_bodies_wait_for_no_turn() -> None:
    access = _access(Keys(), ManualClock())
    small = BYTES_PER_REQUEST - 1
    entered = 0
    async with asyncio.timeout(10), access.turn(BYTES_PER_REQUEST), access.turn(small):
        entered += 1
    assert entered == 1
