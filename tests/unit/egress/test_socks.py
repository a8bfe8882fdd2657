"""SOCKS5: the bytes that a client sends, and the steps that follow."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.egress.actions import Credentials, Dial, HangUp, ProxyRefusal, Send, Step
from fyke.egress.handshake import start_handshake
from fyke.egress.socks import SocksHandshake
from support.egress import ATTEMPT, SECRET, socks_hello, socks_request

CREDENTIALS = Credentials(ATTEMPT, SECRET)
WELCOME = [Send(b"\x05\x02"), Send(b"\x01\x00")]


def feed(*parts: bytes) -> list[Step]:
    handshake = SocksHandshake(CREDENTIALS)
    return [step for part in parts for step in handshake.feed(part)]


def test_a_name_is_passed_on_unresolved() -> None:
    handshake = SocksHandshake(CREDENTIALS)
    steps = handshake.feed(socks_hello() + socks_request("site.example", 443) + b"early")
    assert steps == [*WELCOME, Dial(b"site.example", 443)]
    first_bytes = handshake.connected()
    assert first_bytes.to_client == b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    assert first_bytes.to_target == b"early"
    assert handshake.outgoing(b"more") == (b"more", False)


def test_bytes_may_arrive_one_by_one() -> None:
    data = socks_hello() + socks_request("site.example", 443)
    assert feed(*(data[at : at + 1] for at in range(len(data)))) == feed(data)


def test_targets_may_be_ipv4_and_ipv6_addresses() -> None:
    v4 = b"\x05\x01\x00\x01\x08\x08\x04\x04\x00\x50"
    v6 = b"\x05\x01\x00\x04" + bytes(15) + b"\x01" + struct.pack(">H", 81)
    assert feed(socks_hello(), v4)[-1] == Dial(b"8.8.4.4", 80)
    assert feed(socks_hello(), v6)[-1] == Dial(b"::1", 81)


@pytest.mark.parametrize("methods", [b"\x05\x01\x00", b"\x05\x00", b"\x05\x02\x00\x01"])
def test_clients_without_the_password_method_are_refused(methods: bytes) -> None:
    assert feed(methods) == [HangUp(b"\x05\xff", denied=True)]


def test_the_password_method_is_chosen_when_both_are_offered() -> None:
    assert feed(b"\x05\x02\x00\x02") == [Send(b"\x05\x02")]


@pytest.mark.parametrize(
    ("user", "secret"),
    [("", ""), (ATTEMPT, ""), (ATTEMPT, SECRET + "x"), (ATTEMPT, SECRET[:-1]), ("x", SECRET),
     (ATTEMPT + "x", SECRET), ("", SECRET), (ATTEMPT.lower(), SECRET)],
)  # fmt: skip
def test_wrong_credentials_are_refused(user: str, secret: str) -> None:
    assert feed(socks_hello(user, secret))[-1] == HangUp(b"\x01\x01", denied=True)


@pytest.mark.parametrize("options", ["-country-us", "-session-12-x", ";ttl=5", "-"])
def test_options_after_the_name_are_ignored(options: str) -> None:
    assert feed(socks_hello(ATTEMPT + options)) == WELCOME


@pytest.mark.parametrize("command", [0, 2, 3, 4, 255])
def test_commands_other_than_connect_are_refused(command: int) -> None:
    last = feed(socks_hello(), socks_request("a.example", 1, command))[-1]
    assert isinstance(last, HangUp) and last.data[:2] == b"\x05\x07"


@pytest.mark.parametrize("kind", [0, 2, 5, 255])
def test_unknown_address_types_are_refused(kind: int) -> None:
    last = feed(socks_hello(), bytes((5, 1, 0, kind)) + bytes(30))[-1]
    assert isinstance(last, HangUp) and last.data[:2] == b"\x05\x08"


def test_an_empty_name_and_wrong_versions_are_refused() -> None:
    assert isinstance(feed(socks_hello(), b"\x05\x01\x00\x03\x00\x00\x50")[-1], HangUp)
    assert isinstance(feed(socks_hello(), b"\x04\x01\x00\x03\x01a\x00\x50")[-1], HangUp)
    assert isinstance(feed(b"\x05\x01\x02\x02")[-1], HangUp)
    assert feed(b"\x04\x01") == [HangUp(b"")]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (ProxyRefusal.FORBIDDEN, 2),
        (ProxyRefusal.UNRESOLVABLE, 4),
        (ProxyRefusal.CONNECTION_REFUSED, 5),
        (ProxyRefusal.NETWORK_UNREACHABLE, 3),
        (ProxyRefusal.HOST_UNREACHABLE, 4),
        (ProxyRefusal.TIMED_OUT, 4),
        (ProxyRefusal.UPSTREAM_FAILED, 1),
    ],
)
def test_each_refusal_has_its_reply_code(refusal: ProxyRefusal, code: int) -> None:
    reply = SocksHandshake(CREDENTIALS).refused(refusal, "words")
    assert reply == bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0))


@given(st.binary(min_size=1, max_size=600), st.integers(1, 50))
def test_random_greetings_never_dial(data: bytes, cut: int) -> None:
    handshake = start_handshake(data, CREDENTIALS)
    parts = [data[at : at + cut] for at in range(0, len(data), cut)]
    steps = [step for part in parts for step in handshake.feed(part)]
    assert not any(isinstance(step, Dial) for step in steps)


@given(st.binary(max_size=300))
def test_random_requests_end_in_at_most_one_step(data: bytes) -> None:
    steps = feed(socks_hello(), data)
    assert steps[:2] == WELCOME
    assert len(steps) <= 3


def test_empty_credentials_are_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        Credentials("", "x")
