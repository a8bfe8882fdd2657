"""The addresses of the interfaces of this machine."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest

from fyke.kit import interfaces


def test_loopback_is_an_own_address() -> None:
    found = interfaces.own_addresses()
    assert "127.0.0.1" in found
    assert all(ip_address(text) for text in found)


def test_without_netlink_the_host_name_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK")
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    assert "127.0.0.1" in interfaces.own_addresses()
    monkeypatch.setattr(socket, "gethostname", lambda: "no..such..host")
    assert interfaces.own_addresses() == frozenset()


def test_malformed_netlink_messages() -> None:
    found: set[str] = set()
    assert interfaces._read_messages(struct.pack("=IHHII", 16, 3, 0, 1, 0), found) is False
    assert interfaces._read_messages(struct.pack("=IHHII", 3, 20, 0, 1, 0), found) is False
    with pytest.raises(OSError, match="refused"):
        interfaces._read_messages(struct.pack("=IHHII", 16, 2, 0, 1, 0), found)
    assert interfaces._parse_attributes(struct.pack("=HH", 0, 1)) == set()
    assert found == set()
