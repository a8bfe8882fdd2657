"""Counts the TCP bytes that pass an interface, with a packet socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

ETH_P_ALL, ETHERNET, TCP = 3, 14, 6
SYN = 2
HEADERS = 14 + 60 + 60
BUFFER = 512 * 2**20  # more than a trial transfers: nothing is dropped while this process waits
SOL_PACKET, PACKET_STATISTICS = 263, 6


@dataclass
class _Flow:
    """One direction of one connection. Positions are relative to the first byte."""

    start: int = -1  # the sequence number of the first byte
    end: int = 0


class Capture:
    """Counts the payload of each direction, without repeated packets. To be used only in a network
    namespace of the test's own.
    """

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        for option in (socket.SO_RCVBUF, 33):  # 33: SO_RCVBUFFORCE
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self._socket.bind((interface, 0))
        self._socket.setblocking(False)
        self._flows: dict[bytes, _Flow] = {}
        self.packets = 0
        self._dropped = 0
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def dropped(self) -> int:
        """How many packets the kernel could not keep for this process."""
        statistics = self._socket.getsockopt(
            SOL_PACKET, PACKET_STATISTICS, 8
        )  # since the last call
        self._dropped += struct.unpack("2I", statistics)[1]
        return self._dropped

    def payload(self, to_port: int | None = None, from_port: int | None = None) -> int:
        """Bytes to or from a port."""
        total = 0
        for key, flow in self._flows.items():
            source, target = struct.unpack(">2H", key[8:])
            if to_port in (None, target) and from_port in (None, source):
                total += flow.end
        return total

    def _read(self) -> None:
        for _ in range(1000):
            try:
                frame = self._socket.recv(HEADERS)
            except BlockingIOError:
                return
            if frame[12:14] == b"\x08\x00" and frame[ETHERNET + 9] == TCP:
                self.packets += 1
                self._packet(frame[ETHERNET:])

    def _packet(self, packet: bytes) -> None:
        size = int.from_bytes(packet[2:4], "big")
        head = (packet[0] & 15) * 4
        source_and_target, sequence = packet[head : head + 4], packet[head + 4 : head + 8]
        flags = packet[head + 13]
        payload = size - head - (packet[head + 12] >> 4) * 4
        flow = self._flows.setdefault(packet[12:20] + source_and_target, _Flow())
        at = int.from_bytes(sequence, "big")
        if flags & SYN:
            flow.start = at + 1
        if payload:
            flow.end = max(flow.end, ((at - flow.start) & 0xFFFFFFFF) + payload)
