"""Regions, their pools and URLs. Connections through proxies are in the integration tests."""

from __future__ import annotations

from collections import Counter

import pytest

from fyke.egress.actions import Credentials
from fyke.egress.pools import Pool, Pools, PoolSession
from fyke.egress.upstream import Upstream
from fyke.kit.resolver import Resolver

RESOLVER = Resolver(lambda name: ())
THREE = "socks5://a.example:1 socks5://b.example:2 socks5://c.example:3"


def pool(text: str) -> Pool:
    return Pool.parse("US", text, RESOLVER)


def first_host(pool: Pool, session: PoolSession) -> str:
    return pool._in_order(session)[0].upstream.host


def test_a_region_finds_its_proxies() -> None:
    pools = Pools({"us": "socks5://u:p%40@a.example:1080", "*": "http://b.example:3128"}, RESOLVER)
    us = pools.of_region("US")
    assert us is not None and not us.resolves and not us.rotating
    assert list(us.upstreams) == [Upstream("socks5", "a.example", 1080, "u", "p@")]
    other = pools.of_region("de")
    assert other is pools.of_region("") is not None
    assert other.upstreams[0].name == "http://b.example:3128"
    assert pool("socks5h://a:1").resolves
    assert Pools({}, RESOLVER).of_region("us") is None


@pytest.mark.parametrize(
    ("region", "text"),
    [("usa", "http://a:1"), ("", "http://a:1"), ("us", "ftp://a:1"), ("us", "http://a"),
     ("us", "http://:1"), ("us", "http://a:x"), ("us", "a:1"), ("us", ""), ("us", "rotating"),
     ("us", "socks5://a:1 socks5h://b:1"), ("us", "socks5://a:1 rotating")],
)  # fmt: skip
def test_malformed_settings_name_the_region_and_no_password(region: str, text: str) -> None:
    with pytest.raises(ValueError, match="FYKE_EGRESS_UPSTREAMS: region"):
        Pools({region: text}, RESOLVER)
    with pytest.raises(ValueError) as error:
        Pools({"us": "socks5://ok:hidden@b:1 ftp://user:hidden@a:1"}, RESOLVER)
    assert "hidden" not in str(error.value)


def test_sticky_runs_are_spread_and_move_only_when_their_proxy_is_down() -> None:
    sticky = pool(THREE)
    runs = [f"run {number}" for number in range(300)]

    def choices() -> dict[str, str]:
        return {run: first_host(sticky, PoolSession(run)) for run in runs}

    before = choices()
    assert choices() == before
    assert min(Counter(before.values()).values()) > 60
    failed = next(member for member in sticky._members if member.upstream.host == "b.example")
    failed.why = "connection refused"
    during = choices()
    moved = {run for run in runs if during[run] != before[run]}
    assert moved == {run for run in runs if before[run] == "b.example"}
    failed.why = ""
    assert choices() == before


def test_rotating_takes_the_next_but_a_chosen_session_stays() -> None:
    rotating = pool("rotating " + THREE)
    hosts = [first_host(rotating, PoolSession("run")) for _ in range(6)]
    assert hosts[:3] == hosts[3:] and len(set(hosts)) == 3
    chosen = PoolSession("run/cart", chosen=True)
    assert len({first_host(rotating, chosen) for _ in range(6)}) == 1


def test_the_session_value_is_the_same_for_one_run_only() -> None:
    sticky, rotating = pool(THREE), pool("rotating " + THREE)
    assert sticky._session_value(PoolSession("run")) == sticky._session_value(PoolSession("run"))
    assert sticky._session_value(PoolSession("run")) != sticky._session_value(PoolSession("other"))
    assert rotating._session_value(PoolSession("run")) != rotating._session_value(
        PoolSession("run")
    )
    chosen = PoolSession("run/x", chosen=True)
    assert (
        rotating._session_value(chosen)
        == rotating._session_value(chosen)
        == sticky._session_value(chosen)
    )
    assert sticky._session_value(PoolSession("run")).isalnum()


@pytest.mark.parametrize(
    ("name", "session"),
    [(b"01A", ""), (b"01A-session-abc", "abc"), (b"01A;session=abc", "abc"), (b"01A-region-us", ""),
     (b"01A-region-us-session-s.1_x-ttl-5", "s.1_x"), (b"01A;ttl=5;session=9;x=y", "9"),
     (b"01A-sessions-9", ""), (b"01A-session-", ""), (b"01A-session-a:b", ""),
     (b"01A-session-" + b"x" * 65, "")],
)  # fmt: skip
def test_a_session_is_chosen_by_the_user_name(name: bytes, session: str) -> None:
    credentials = Credentials("01A", "secret")
    assert credentials.admit(name, b"secret")
    assert credentials.session(name) == session
