"""Chooses the protocol by the first byte: 5 is SOCKS5, everything else is HTTP."""

from __future__ import annotations

from fyke.egress.actions import Credentials, Handshake
from fyke.egress.http import HttpHandshake
from fyke.egress.socks import VERSION, SocksHandshake


def start_handshake(first: bytes, credentials: Credentials) -> Handshake:
    """Return the handshake for a client that begins with ``first``, which is not fed to it."""
    if first[0] == VERSION:
        return SocksHandshake(credentials)
    return HttpHandshake(credentials)
