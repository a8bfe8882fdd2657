"""A small name server: answers A and AAAA from a function, with a time to live of 0."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

A, AAAA = 1, 28
NO_SUCH_NAME = 3

Answers = Callable[[str, int], tuple[str, ...] | None]  # name and type; None: there is no such name


class NameServer(asyncio.DatagramProtocol):
    """Counts its queries."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.queries = 0

    async def start(self, host: str, port: int = 53) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.queries += 1
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
            at += 1 + data[at]
        end = at + 5
        (kind,) = struct.unpack_from(">H", data, at + 1)
        addresses = self._answers(".".join(labels).lower(), kind)
        records = [_record(kind, ip_address(text)) for text in addresses or ()]
        flags = 0x8180 | (NO_SUCH_NAME if addresses is None else 0)
        head = data[:2] + struct.pack(">5H", flags, 1, len(records), 0, 0)
        self._transport.sendto(head + data[12:end] + b"".join(records), addr)


def of_kind(kind: int, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses among ``addresses`` that answer a query of this type."""
    version = {A: 4, AAAA: 6}.get(kind)
    return tuple(text for text in addresses if ip_address(text).version == version)


def _record(kind: int, address: IPv4Address | IPv6Address) -> bytes:
    packed = address.packed
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed
