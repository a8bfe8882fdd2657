"""An installation and three nodes, used like one booted platform.

As root, each node is in a network namespace (``machine_network``). As another user, or where no
namespaces can be made, the nodes are on loopback, each behind a relay of its own. Both kinds of
link can be cut.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import psycopg

from fyke.settings.shared import NOT_OF_NODES
from support.booted import STOP_SECONDS, Booted, booted, descendants
from support.booted_node import BootedNode
from support.machine_network import MachineNetwork, Way, machine_network, no_networks
from support.processes import is_alive
from support.relay import Relay, relaying
from support.s3_servers import S3Server, moto_server, s3_access
from support.two_servers import own_database

NODES = 3
ISOLATION = ("none", "no-limits", "full")
OWN_POOL = "installation"  # of the installation's own runner, so that runs go to the nodes
USERS = 1024  # of the sandboxes of each machine
# what only the installation reads, beside what it shares
_NOT_FOR_NODES = frozenset({"runner_pool", "attempt_uid_base", "attempt_uids"})


class Link(Protocol):
    """The way of a node to the gateway. What is cut stays silent: no connection is refused."""

    def cut(self, way: Way = Way.BOTH) -> None: ...

    def heal(self) -> None: ...


class RelayLink:
    """A link through a relay on loopback."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def cut(self, way: Way = Way.BOTH) -> None:
        self._relay.cut(to_server=way is not Way.INCOMING, to_client=way is not Way.OUTGOING)

    def heal(self) -> None:
        self._relay.heal()


@dataclass(frozen=True)
class MachineAttempt:
    """An attempt as the state has it. Times are in milliseconds; ``finished_at`` is 0 and
    ``outcome`` empty while it runs. ``node`` is the name of a node, or the id of another machine.
    """

    id: str
    run: str
    subtask: int
    number: str
    node: str
    outcome: str
    rows: int
    started_at: int
    finished_at: int


class Machine(BootedNode):
    """One of the nodes. ``link`` is its way to the gateway."""

    link: Link
    gateway = ""  # the address by which it joins

    def kill(self) -> None:
        """End all of its processes at once, those of Workers too, as a power cut does."""
        process, self.process = self.process, None
        assert process is not None
        all_of_it: set[int] = set()
        while found := descendants(process.pid).keys() - all_of_it:
            _send(found, signal.SIGSTOP)  # so that none sees that another one ends
            all_of_it |= found
        _send(all_of_it, signal.SIGKILL)
        process.wait(STOP_SECONDS)
        self.wait_for(lambda: not any(map(is_alive, all_of_it)), "the end of its processes")

    def kill_pid(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to one of its processes; fail for any other."""
        assert pid in self.tree(), f"{pid} is not of {self.name}"
        os.kill(pid, number)


class ManyMachines(Booted):
    """``fyke up`` and its nodes. What is not of ``nodes`` is of the installation's machine.

    ``node_settings`` are those of the nodes, beside the ones of the installation that are also for
    nodes. With ``namespaces=False`` the nodes are on loopback, also as root.
    """

    count = NODES
    namespaces = True
    node_settings: Mapping[str, str] = MappingProxyType({})

    def __init__(self, folder: Path, *, uid: int | None = None, **settings: str) -> None:
        super().__init__(folder, uid=uid, **{"runner_pool": OWN_POOL, **settings})
        self.nodes: list[Machine] = []
        self.network: MachineNetwork | None = None
        self._opened = contextlib.ExitStack()

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "FYKE_ATTEMPT_UIDS": str(USERS)}

    def start(self, *arguments: str) -> ManyMachines:
        if self.network is None and self.namespaces and not no_networks():
            self.network = self._opened.enter_context(machine_network())
        self.settings.setdefault("gateway_port", str(_free_port()))
        self.settings["gateway_host"] = self.network.gateway if self.network else "127.0.0.1"
        super().start(*arguments)
        if not self.nodes:
            self.nodes = [self._new_node(number) for number in range(1, self.count + 1)]
        for node in self.nodes:
            if not node.name:
                node.join(self, node.folder.name, node.gateway)
            if node.process is None:
                node.launch()
        for node in self.nodes:
            node.wait_until_ready()
        return self

    def _new_node(self, number: int) -> Machine:
        folder = self.folder / f"node{number}"
        folder.mkdir(mode=0o711)
        shared = {
            name: value
            for name, value in self.settings.items()
            if name not in NOT_OF_NODES | _NOT_FOR_NODES
        }
        node = Machine(folder, **shared, **self.node_settings)
        node.server = self
        node.users = range(number * USERS, (number + 1) * USERS)
        if self.network is not None:
            link = self.network.connect()
            node.link, node.wrapper = link, link.inside
        else:
            port = int(self.settings["gateway_port"])
            relay = self._opened.enter_context(relaying([("127.0.0.1", port)]))
            node.link, node.gateway = RelayLink(relay), "{}:{}".format(*relay.address)
        return node

    def node(self, name: str) -> Machine:
        return next(node for node in self.nodes if node.name == name)

    def machines(self) -> list[Booted]:
        return [self, *self.nodes]

    def stop(self, number: int = signal.SIGTERM, *, group: bool = False) -> int:
        try:
            with ThreadPoolExecutor(max(1, len(self.nodes))) as pool:
                list(pool.map(lambda node: node.stop(), self.nodes))
        finally:
            status = super().stop(number, group=group)
        return status

    def close(self) -> None:
        """Remove the network; only after ``stop``."""
        self._opened.close()

    # --- what runs where ----------------------------------------------------------------

    def sandboxes(self) -> list[int]:
        own = super().sandboxes()
        return own + [pid for node in self.nodes if node.process for pid in node.sandboxes()]

    def isolation(self) -> str:
        """The lowest level of the nodes."""
        names = [node.name for node in self.nodes]
        runners = self.read("/api/fyke/runners")["list"]
        return min(
            (str(one["isolation"]) for one in runners if one["node"] in names), key=ISOLATION.index
        )

    def attempts(self, run: str | None = None) -> list[MachineAttempt]:
        """The attempts, of one run if it is given, in the order of their start."""
        with psycopg.connect(self.settings["database_url"].replace("+psycopg", "")) as state:
            found = state.execute(
                "SELECT id, run_id, ordinal, number, node, COALESCE(outcome, ''), rows, started_at,"
                " finished_at FROM attempts WHERE %(run)s::text IS NULL OR run_id = %(run)s"
                " ORDER BY started_at, id",
                {"run": run},
            )
            return [MachineAttempt(*row) for row in found]

    def attempts_by_node(self, run: str | None = None) -> dict[str, list[MachineAttempt]]:
        """The attempts of each node; a node without any has an empty list."""
        found: dict[str, list[MachineAttempt]] = {node.name: [] for node in self.nodes}
        for attempt in self.attempts(run):
            found.setdefault(attempt.node, []).append(attempt)
        return found


@contextlib.contextmanager
def many_machines(
    *,
    s3: S3Server | None = None,
    folder: Path | None = None,
    start: bool = True,
    nodes: int = NODES,
    namespaces: bool = True,
    node_settings: Mapping[str, str] = MappingProxyType({}),
    **settings: str,
) -> Iterator[ManyMachines]:
    """An installation on PostgreSQL with nodes that have joined.

    The settings are those of the installation: ``database_url`` is a new database by default, and
    with ``s3`` the blobs are in an empty place of that server. ``folder`` is kept if it is given.
    """
    settings.setdefault("database_url", own_database())
    if s3 is not None:
        settings |= s3_access(s3)
    with contextlib.ExitStack() as opened:
        if folder is None:
            platform = opened.enter_context(booted(ManyMachines, start=False, **settings))
        else:
            folder.chmod(0o711)
            platform = ManyMachines(folder, **settings)
            opened.callback(platform.stop)
        platform.count, platform.namespaces = nodes, namespaces
        platform.node_settings = dict(node_settings)
        try:
            if start:
                platform.start()
            yield platform
        finally:
            try:
                platform.stop()
            finally:
                platform.close()


@contextlib.contextmanager
def many_machines_in_s3(**options: Any) -> Iterator[ManyMachines]:
    """The same with blobs in moto."""
    with moto_server() as (server, _), many_machines(s3=server, **options) as platform:
        yield platform


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
