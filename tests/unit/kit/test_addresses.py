"""Which addresses are outside, and what an allow entry opens."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.kit.addresses import AddressRules, AllowEntry, is_public, unwrap

INSIDE = [
    "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1",
    "127.255.255.254", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.192", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b::a00:1",
    "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1",
    "2002:808:808::1", "3ffe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254",
    "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "2600::5efe:a00:1", "2600::200:5efe:a00:1",
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1",
    "126.255.255.255", "128.0.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.167.1.1",
    "198.17.255.255", "198.20.0.1", "223.255.255.255", "168.63.129.15",
    "2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2620:fe::fe",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_internal_addresses(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not AddressRules().check(text, 80)


@pytest.mark.parametrize("text", OUTSIDE)
def test_public_addresses(text: str) -> None:
    assert is_public(ip_address(text))
    assert AddressRules().check(text, 443)


@given(st.ip_addresses(v=4))
def test_the_list_covers_the_private_addresses_of_the_library(address: IPv4Address) -> None:
    if is_public(address):
        assert not (address.is_private or address.is_loopback or address.is_link_local)
        assert not (address.is_multicast or address.is_reserved or address.is_unspecified)


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_checked_as_the_address_it_contains(address: IPv4Address) -> None:
    mapped = IPv6Address(f"::ffff:{address}")
    assert is_public(mapped) == is_public(address)
    assert unwrap(mapped) == address
    assert is_public(IPv6Address(f"64:ff9b::{address}")) == is_public(address)


def test_own_addresses_are_internal_even_when_public() -> None:
    rules = AddressRules(own_addresses=["8.8.4.4", "fe80::1%eth0", "2606:4700::7"])
    assert not rules.check("8.8.4.4", 80)
    assert not rules.check("::ffff:8.8.4.4", 80)
    assert not rules.check("2606:4700::7", 80)
    assert rules.check("8.8.8.8", 80)
    assert AddressRules(["8.8.4.4:80"], ["8.8.4.4"]).check("8.8.4.4", 80)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_ports_beyond_the_range_are_refused(port: int) -> None:
    assert not AddressRules(["127.0.0.0/8"]).check("127.0.0.1", port)


def test_an_address_entry_allows_only_that_address() -> None:
    rules = AddressRules(["127.0.0.1:43211"])
    assert rules.check("127.0.0.1", 43211)
    assert rules.check("::ffff:127.0.0.1", 43211)
    assert not rules.check("127.0.0.1", 43212)
    assert not rules.check("127.0.0.2", 43211)
    assert not rules.check("::1", 43211)


def test_network_entries() -> None:
    rules = AddressRules(["10.0.0.0/8", "192.168.0.0/16:443", "fd00::/8", "[fd20::]/64:80"])
    assert AddressRules(["[::1]"]).check("::1", 5)
    assert rules.check("10.9.9.9", 1) and rules.check("192.168.3.3", 443)
    assert not rules.check("192.168.3.3", 80)
    assert rules.check("fd00::9", 9) and not rules.check("::1", 5)


def test_a_name_entry_allows_the_name_and_localhost_also_loopback() -> None:
    rules = AddressRules(["localhost:8000", "app.intern:80"])
    assert rules.check_name("localhost", 8000) and not rules.check_name("localhost", 8001)
    assert rules.check("127.0.0.1", 8000) and rules.check("::1", 8000)
    assert not rules.check("127.0.0.1", 8001)
    assert rules.select("app.intern", ["10.0.0.3", "10.0.0.4"], 80) == ["10.0.0.3", "10.0.0.4"]
    assert rules.select("app.intern", ["10.0.0.3"], 81) == []
    assert rules.select("other.intern", ["10.0.0.3"], 80) == []


def test_one_internal_answer_refuses_all() -> None:
    rules = AddressRules()
    assert rules.select("a.example", ["8.8.8.8", "1.1.1.1"], 80) == ["8.8.8.8", "1.1.1.1"]
    assert rules.select("a.example", ["8.8.8.8", "10.0.0.1"], 80) == []
    assert rules.select("a.example", ["fe80::1%eth0"], 80) == []
    assert rules.select("a.example", ["::ffff:8.8.8.8"], 80) == ["8.8.8.8"]


def test_an_exempt_answer_leaves_only_allowed_addresses() -> None:
    rules = AddressRules(["127.0.0.1:80"])
    assert rules.select("localhost", ["127.0.0.1", "::1"], 80) == ["127.0.0.1"]


def test_extended_rules_leave_the_original_unchanged() -> None:
    rules = AddressRules(["10.0.0.1:80"], ["8.8.4.4"])
    more = rules.extended(["10.0.0.2:80"])
    assert more.check("10.0.0.1", 80) and more.check("10.0.0.2", 80)
    assert not more.check("8.8.4.4", 80)
    assert not rules.check("10.0.0.2", 80)


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", "host:0", "host:99999", "10.0.0.0/33", "10.0.0.1/8", "a b:80",
     "127.1:80", "::1:80", "10.0.0.0/8:x", "http://a:80"],
)  # fmt: skip
def test_errors_name_the_malformed_entry(text: str) -> None:
    with pytest.raises(ValueError, match="allow entry"):
        AllowEntry.parse(text)
