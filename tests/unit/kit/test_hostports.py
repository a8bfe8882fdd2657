"""Hosts as strangers write them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.kit.hostports import (
    BadHost,
    Host,
    is_localhost,
    join_host_port,
    parse_host,
    parse_port,
    split_host_port,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        (b"a-b.example", "a-b.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a\u3002b", "a.b"),
        ("1.example", "1.example"),
        ("0x.example", "0x.example"),
        ("a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 61, None),
    ],
)
def test_names(text: str | bytes, expected: str | None) -> None:
    assert parse_host(text) == (expected or text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("\u246027.0.0.1", "127.0.0.1"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert parse_host(text) == ip_address(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a..b",
        "a..",
        ".a",
        "-a.b",
        "a-.b",
        "a_b.c",
        "a b",
        "a\0b",
        "a\nb",
        "a\r\nHost: b",
        "a\x7f",
        "a/b",
        "a@b",
        "a%62",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "[::1",
        "[127.0.0.1]",
        ":::",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.0x1",
        "127.0.0.256",
        "1.2.3.4.5",
        "0",
        "0x",
        "a" * 64,
        ("a" * 63 + ".") * 4 + "a",
        "a" * 10_000,
        b"\xff\xfe",
        "\u200b",
    ],
)
def test_refused(text: str | bytes) -> None:
    with pytest.raises(BadHost):
        parse_host(text)


@given(st.one_of(st.text(), st.binary()))
def test_any_text_is_normalised_or_refused(text: str | bytes) -> None:
    try:
        host = parse_host(text)
    except BadHost:
        return
    assert not isinstance(host, str) or (
        set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") and len(host) <= 253
    )


@pytest.mark.parametrize("text", ["", "0", "65536", "+80", " 80", "8_0", "\u0668\u0660", "080000"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        parse_port(text)


def test_split() -> None:
    assert split_host_port("a:1") == ("a", 1)
    assert split_host_port("[::1]:443") == ("[::1]", 443)
    assert split_host_port("[::1]", 80) == ("[::1]", 80)
    assert split_host_port("a", 80) == ("a", 80)
    for text in ("a", "[::1]", "::1:80", "a:b", "a:"):
        with pytest.raises(ValueError):
            split_host_port(text)


def test_localhost() -> None:
    assert is_localhost("localhost") and is_localhost("x.localhost")
    assert not is_localhost("localhost.example") and not is_localhost("notlocalhost")


@pytest.mark.parametrize(
    "host", ["name.example", ip_address("192.0.2.1"), ip_address("2001:db8::1")]
)
def test_hosts_and_ports_are_joined_as_they_are_split(host: Host) -> None:
    name, port = split_host_port(join_host_port(host, 8110))
    assert (parse_host(name), port) == (host, 8110)
