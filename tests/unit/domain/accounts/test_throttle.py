"""The limits of sign-in attempts, and the network of an address."""

from __future__ import annotations

import pytest

from fyke.domain.accounts import throttle
from fyke.domain.accounts.throttle import Allowance, SignInAttempts, network_of, refuse
from fyke.kit.clock import ManualClock


def test_some_attempts_are_free_and_then_one_at_a_time() -> None:
    clock = ManualClock()
    tries = SignInAttempts(Allowance(3, 10), clock)
    for _ in range(3):
        assert tries.wait("a") == 0
        tries.take("a")
    assert tries.wait("a") == 10
    assert tries.wait("b") == 0
    clock.advance(10)
    assert tries.wait("a") == 0
    tries.take("a")
    assert tries.wait("a") == 10
    tries.refund("a")
    assert tries.wait("a") == 0
    tries.take("a")
    tries.forget("a")
    assert tries.wait("a") == 0
    tries.refund("nobody")


def test_the_memory_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MAX_KEYS", 5)
    tries = SignInAttempts(Allowance(1, 10), ManualClock())
    for number in range(20):
        tries.take(str(number))
    assert [key for key in map(str, range(20)) if tries.wait(key)] == ["15", "16", "17", "18", "19"]


def test_the_network_is_an_ipv4_address_or_an_ipv6_64() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("") == ""


@pytest.mark.parametrize(
    ("seconds", "text", "after"),
    [(0.2, "in 1 second", 1), (29.1, "in 30 seconds", 30), (121, "in 3 minutes", 121)],
)
def test_a_refusal_names_the_time_to_wait(seconds: float, text: str, after: int) -> None:
    error = refuse(seconds, "for this user")
    assert error.message == f"Too many attempts for this user; try again {text}"
    assert error.retry_after == after
