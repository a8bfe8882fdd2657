"""A network of this machine for nodes: a bridge, and a network namespace for each node.

A node reaches two things. One is the address of the installation's gateway, ``gateway``. The other
are the servers of tests, which listen on free ports of 127.0.0.1: a connection of a node to
127.0.0.1 with a port from ``SITES`` leads there, and any other one stays on the node, as usual. The
two ways have separate addresses on the bridge, so that one can be cut without the other. There is
no way from one node to another, nor to any other network.

A link is cut silently, as by a switch that drops frames: one side sends to a hardware address that
no interface has. That needs ``iproute2`` only, neither a firewall nor a queueing discipline.

Networks have numbers, each with a lock: what a test that was killed has left is removed by the next
one that makes a network.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path

from fyke.kit.file_lock import try_lock

SITES = (32768, 60999)  # free ports of this machine
_OWN_PORTS = "10000 29999"  # free ports of a node
_RANGES = list(IPv4Network("10.231.0.0/18").subnets(new_prefix=24))
_LOCKS = Path("/run/fyke-test-networks")
_NAMESPACES = Path("/run/netns")
_NO_INTERFACE = "02:00:00:00:00:01"  # no interface has this hardware address
_SITES_TABLE = 100
_IP = "/usr/sbin:/sbin:/usr/bin:/bin"


class Way(StrEnum):
    """Which frames are lost between a node and its installation, as seen by the node."""

    BOTH = "both"
    OUTGOING = "outgoing"
    INCOMING = "incoming"


@cache
def no_networks() -> str:
    """Return why no such networks can be made here, "" when they can."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    if not shutil.which("ip", path=_IP):
        return "needs ip (Debian: iproute2)"
    try:
        with machine_network() as network:
            network.connect()
    except (OSError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stderr", "") or ""
        return f"network namespaces cannot be made here: {output.strip() or error}"
    return ""


class NodeLink:
    """The way of one node to its installation. ``inside`` starts a command in its namespace."""

    def __init__(self, network: MachineNetwork, number: int) -> None:
        self.inside = ("nsenter", f"--net={_NAMESPACES / network.namespace(number)}", "--")
        self._network = network
        self._number = number

    def cut(self, way: Way = Way.BOTH) -> None:
        """Lose all frames in this direction from now on. Connections stay open on both sides."""
        if way is not Way.INCOMING:
            self._lose_frames_to(self._network.gateway, "eth0", self.inside)
        if way is not Way.OUTGOING:
            self._lose_frames_to(self._network.address(self._number), self._network.bridge)

    def heal(self) -> None:
        """Undo every ``cut``. What TCP has not given up yet goes on."""
        for address, device, inside in (
            (self._network.gateway, "eth0", self.inside),
            (self._network.address(self._number), self._network.bridge, ()),
        ):
            # without an entry, the kernel asks for the hardware address again
            _run(*inside, "ip", "neigh", "del", address, "dev", device, check=False)

    def _lose_frames_to(self, address: str, device: str, inside: tuple[str, ...] = ()) -> None:
        entry = ("lladdr", _NO_INTERFACE, "dev", device, "nud", "permanent")
        _run(*inside, "ip", "neigh", "replace", address, *entry)


class MachineNetwork:
    """Network ``number`` of this machine. ``gateway`` is the address at which nodes reach it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.bridge = f"fykem{number}"
        self.range = _RANGES[number]
        self._addresses = list(self.range)
        self.gateway = str(self._addresses[1])
        self._sites = str(self._addresses[254])
        self._nodes = 0

    def address(self, node: int) -> str:
        return str(self._addresses[10 + node])

    def namespace(self, node: int) -> str:
        return f"{self.bridge}-node{node}"

    def open(self) -> None:
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _forbid_ipv6(self.bridge)
        for address in (self.gateway, self._sites):
            _run("ip", "addr", "add", f"{address}/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")
        _set(f"conf/{self.bridge}/route_localnet", "1")  # nodes reach servers on 127.0.0.1
        _set(f"conf/{self.bridge}/forwarding", "0")  # and nothing beyond this machine

    def connect(self) -> NodeLink:
        """The link of one more node, in a namespace of its own."""
        self._nodes += 1
        node = self._nodes
        link, port = NodeLink(self, node), f"{self.bridge}n{node}"
        _run("ip", "netns", "add", self.namespace(node))
        peer = ("peer", "name", "eth0", "netns", self.namespace(node))
        _run("ip", "link", "add", port, "type", "veth", *peer)
        _forbid_ipv6(port)
        _run("ip", "link", "set", port, "master", self.bridge, "up")
        _run("bridge", "link", "set", "dev", port, "isolated", "on")
        _forbid_ipv6("eth0", link.inside)
        own, to_sites = self.address(node), str(self._addresses[110 + node])
        first, last = SITES
        for command in (
            f"addr add {own}/24 dev eth0",
            f"addr add {to_sites}/24 dev eth0",
            "link set lo up",
            "link set eth0 up",
            f"route add default via {self._sites} dev eth0 src {to_sites} table {_SITES_TABLE}",
            "rule add pref 100 lookup local",
            "rule del pref 0",
            f"rule add pref 10 to 127.0.0.1 ipproto tcp dport {first}-{last} lookup {_SITES_TABLE}",
        ):
            _run(*link.inside, "ip", *command.split())
        for name, value in (
            ("conf/eth0/route_localnet", "1"),
            ("conf/eth0/accept_local", "1"),
            ("ip_local_port_range", _OWN_PORTS),
        ):
            _set(name, value, link.inside)
        return link

    def remove(self) -> None:
        """Remove what there is of it, and end what still runs in its namespaces."""
        names = re.compile(re.escape(self.bridge) + r"-node\d+")
        for path in sorted(_NAMESPACES.glob(f"{self.bridge}-node*")):
            if names.fullmatch(path.name):
                _end_all_in(path.name)
                _run("ip", "netns", "del", path.name, check=False)
        if Path("/sys/class/net", self.bridge).exists():
            _run("ip", "link", "del", self.bridge)
        # a namespace goes when its last process has ended, and the other end of its link with it
        for port in Path("/sys/class/net").glob(f"{self.bridge}n*"):
            _run("ip", "link", "del", port.name, check=False)


@contextlib.contextmanager
def machine_network() -> Iterator[MachineNetwork]:
    """A network with an address range that this machine has no route to. Needs root and ``ip``."""
    with _free_network() as network:
        try:
            network.open()
            yield network
        finally:
            network.remove()


@contextlib.contextmanager
def _free_network() -> Iterator[MachineNetwork]:
    """The first network that no process has; what is left of others is removed."""
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    found: tuple[MachineNetwork, int] | None = None
    for number in range(len(_RANGES)):
        if found and not (_LOCKS / str(number)).exists():
            continue  # never used
        lock = try_lock(_LOCKS / str(number))
        if lock is None:
            continue
        network = MachineNetwork(number)
        network.remove()
        if found is None and not _is_routed(network.range):
            found = network, lock
        else:
            os.close(lock)
    if found is None:
        raise OSError(f"this machine has routes to all of {_RANGES[0]} to {_RANGES[-1]}")
    network, lock = found
    try:
        yield network
    finally:
        os.close(lock)


def _end_all_in(namespace: str) -> None:
    until = time.monotonic() + 10
    while pids := _run("ip", "netns", "pids", namespace, check=False).split():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if time.monotonic() > until:
            raise OSError(f"processes in {namespace} do not end: {pids}")
        time.sleep(0.01)


def _is_routed(wanted: IPv4Network) -> bool:
    """Whether a route other than the default leads to an address of the range."""
    routes = json.loads(_run("ip", "-4", "-j", "route", "show", "table", "all"))
    known = [route["dst"] for route in routes if route["dst"] != "default"]
    return any(wanted.overlaps(IPv4Network(one, strict=False)) for one in known)


def _forbid_ipv6(device: str, inside: tuple[str, ...] = ()) -> None:
    if Path("/proc/sys/net/ipv6").is_dir():
        _set(f"../ipv6/conf/{device}/disable_ipv6", "1", inside)


def _set(name: str, value: str, inside: tuple[str, ...] = ()) -> None:
    _run(*inside, "sh", "-c", f'echo "{value}" > /proc/sys/net/ipv4/{name}')


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(
        command, check=check, capture_output=True, text=True, env={"PATH": _IP, "LC_ALL": "C"}
    )
    return done.stdout
