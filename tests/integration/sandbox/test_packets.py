"""No packet leaves a sandbox: all traffic of a separate network namespace is captured."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from fyke.model.worker import Language
from integration.sandbox.sandboxes import MIB, ROOT, SandboxSetup, data_folder, drain, launched
from integration.sandbox.test_escape import MIN_PROBES, canaries, probes, syscall_numbers

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not ROOT, reason="only root can make a network of its own and listen to it"),
    pytest.mark.needs("bwrap"),
    pytest.mark.needs("ip"),
]

ETH_P_ALL = 3
CLONE_NEWNET = 0x40000000
# a route for all addresses: every packet that is sent appears on the wire
WIRES = """
ip link set lo up
ip link add wire0 type veth peer name wire1
ip link set wire1 up
ip link set wire0 up
ip address add 198.51.100.1/24 dev wire0
ip address add 2001:db8:1::1/64 dev wire0 nodad
ip neighbour add 198.51.100.2 lladdr 02:00:00:00:00:02 dev wire0
ip neighbour add 2001:db8:1::2 lladdr 02:00:00:00:00:02 dev wire0
ip route add default via 198.51.100.2 dev wire0
ip -6 route add default via 2001:db8:1::2 dev wire0
ip route add 224.0.0.0/4 dev wire0
"""


class Network:
    """A new network namespace, kept open by a sleeping process."""

    def __init__(self, pid: int) -> None:
        self.path = f"/proc/{pid}/ns/net"

    def within(self, step: str, *words: str) -> None:
        command = ["nsenter", f"--net={self.path}", *words, "/bin/sh", "-ec", step]
        subprocess.run(command, check=True)

    def enter(self) -> None:
        """Move only the calling thread into it."""
        with open(self.path) as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def sniffer(self) -> socket.socket:
        """A socket that captures every packet on every interface."""
        sockets: list[socket.socket] = []

        def listen() -> None:
            self.enter()
            sockets.append(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            )

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        sockets[0].setblocking(False)
        return sockets[0]


@pytest.fixture
def net() -> Iterator[Network]:
    holder = subprocess.Popen(
        ["unshare", "--net", "/bin/sh", "-c", "echo up; exec sleep 300"], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        network = Network(holder.pid)
        network.within(WIRES)
        yield network
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()


IPV6 = b"\x86\xdd"
HOP_BY_HOP, ICMPV6 = 0, 58
FIRST_OF_NEIGHBOURS = 130  # types of messages about neighbours and groups; an echo is 128


def heard(sniffer: socket.socket) -> list[str]:
    """All captured packets except the kernel's own neighbour discovery."""
    packets = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data, (interface, *_) = sniffer.recvfrom(65536)
            if data[12:14] == IPV6:
                by_itself = data[20] == ICMPV6 and data[54] >= FIRST_OF_NEIGHBOURS
                if by_itself or data[20] == HOP_BY_HOP:
                    continue
            packets.append(f"{interface}: {data[:60].hex()}")
    return packets


@pytest.mark.needs("node", "go")
async def test_the_probes_send_no_packet(net: Network) -> None:
    with net.sniffer() as sniffer, data_folder() as home:
        async with launched(home, prefix=("nsenter", f"--net={net.path}")) as setup:
            for language, least in MIN_PROBES.items():
                tried = await _try(setup, language)
                assert tried >= least
            assert heard(sniffer) == []
            for sandbox in setup.sandboxes:
                await sandbox.close()


async def _try(setup: SandboxSetup, language: Language) -> int:
    with canaries(setup) as canary:
        sandbox = await setup.open(probes(language), language=language, memory=512 * MIB)
        variables = {
            "PROBE_TARGETS": json.dumps(canary.targets),
            "PROBE_CALLS": json.dumps(syscall_numbers()),
        }
        await sandbox.launch(variables)
        out, err = await drain(sandbox)
        assert out, err
        for listener in sandbox.listeners.values():
            listener.close()
        return len(json.loads(out))


async def test_a_sent_packet_is_detected(net: Network) -> None:
    """Without a sandbox the same probes are captured. This shows that the other test can fail."""
    tries = """
import socket
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.53", 53)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("224.0.0.251", 5353)),
    (socket.AF_INET6, socket.SOCK_DGRAM, ("2001:db8::1", 53)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 9)),
):
    with socket.socket(family, kind) as client:
        client.sendto(b"x", address)
with socket.socket() as client:
    client.setblocking(False)
    client.connect_ex(("192.0.2.1", 80))
"""
    with net.sniffer() as sniffer:
        words = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]
        command = ["nsenter", f"--net={net.path}", *words, "/usr/bin/python3", "-I", "-c", tries]
        subprocess.run(command, check=True, cwd="/", env={"PATH": os.defpath})
        packets = heard(sniffer)
        for words_of in ("c0000235", "e00000fb", "20010db8" + "0" * 20 + "0001", "c0000201"):
            assert any(words_of in packet for packet in packets), packets
        assert len(packets) >= 5
