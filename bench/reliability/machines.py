"""An installation with three nodes under test, with two servers, in front of them a balancer."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx2

from fyke.kit.s3_place import parse_s3_url
from reliability.checks import STUCK_SECONDS
from reliability.load import SCHEMA, WORKER, Client, Unreachable, Watcher
from reliability.machine import after, first_line, pid_in, pidfd_of, processes_of, send, stopped
from reliability.older import older_program
from reliability.one_machine import (
    FIRST_UID,
    PRICE,
    SETTINGS,
    UIDS,
    mounted,
    new_account,
)  # fmt: skip
from reliability.proxy import Proxy, proxying
from reliability.stage import GONE_SECONDS, Stage
from support.booted import FYKE, Booted, owner_of
from support.many_machines import USERS, Machine, ManyMachines
from support.postgres import PostgresServer, running_postgres
from support.projects import python_project
from support.receivers import listening
from support.relay import Relay, relaying
from support.s3_servers import S3Server, moto_server, s3_access
from support.two_servers import answers

LEASE_SECONDS = 15
ROOM_SECONDS = 15  # after the lease of a machine that is lost, until its runs have ended
BACK_SECONDS = 60.0  # for a machine or a database on a busy machine
STANDBY_SECONDS = 60.0
# the installation executes nothing, so that all faults hit nodes or what they depend on
NODE_SETTINGS = {"warm_sandboxes": "1", "browser": "off"}
WITH_ERRORS = (AssertionError, OSError, subprocess.SubprocessError, httpx2.HTTPError)


class Machines(ManyMachines):
    """``volume_mb``: the data folder of the first node is on a file system of this size.
    ``preload`` is the path of libfaketime for all nodes.
    """

    volume_mb = 0
    preload = ""
    older_program: tuple[str, ...] = ()  # of an older release
    _copies = 0

    def _new_node(self, number: int) -> Machine:
        node = super()._new_node(number)
        node.wrapper += self.older_program
        if self.volume_mb and number == 1:
            self._opened.enter_context(mounted(node.folder / "volume", node.home, self.volume_mb))
        if self.preload:
            node.variables = self._clock(node.folder / "clock")
        return node

    def _clock(self, file: Path) -> dict[str, str]:
        file.write_text("+0")
        file.chmod(0o644)
        return {
            "LD_PRELOAD": self.preload,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without it every call reads the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def clone(self, node: Machine) -> Machine:
        """A machine with a copy of the data folder of a node, as from an image of its disk."""
        self._copies += 1
        copy = self._new_node(len(self.nodes) + self._copies)
        # files go while they are copied
        command = ["cp", "-a", str(node.home), str(copy.home)]
        subprocess.run(command, check=False, capture_output=True)
        for folder in (copy.home / "work").iterdir():
            shutil.rmtree(folder, ignore_errors=True)
        copy.name = node.name
        return copy


class SecondServer:
    """``fyke serve --role server`` on the data folder of the installation."""

    def __init__(self, platform: ManyMachines) -> None:
        self._platform = platform
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address: tuple[str, int] = ("127.0.0.1", probe.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises ``AssertionError`` when it is not ready in time."""
        port = str(self.address[1])
        with self._platform.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._platform.wrapper, *FYKE, "serve", "--role", "server", "--port", port],
                env=self._platform.environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, **owner_of(self._platform.home),
            )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        self._platform.wait_for(lambda: answers(url), "the second server", BACK_SECONDS)

    def end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait(BACK_SECONDS)


@dataclass
class NodesStage(Stage):
    """``platform`` is the installation. ``blobs`` is the way to S3, if the blobs are there."""

    second: SecondServer | None = None
    relay: Relay | None = None
    standby: PostgresServer | None = None
    s3: S3Server | None = None
    blobs: Proxy | None = None
    lease_seconds: int = LEASE_SECONDS
    base_uid: int = 0
    clones: list[Machine] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.load.stuck_seconds = max(STUCK_SECONDS, self.lease_seconds + ROOM_SECONDS)
        for node in self.nodes:
            self.watcher.add(node.home / "work")

    @property
    def many(self) -> Machines:
        return cast(Machines, self.platform)

    @property
    def nodes(self) -> list[Machine]:
        return self.many.nodes

    @property
    def machines(self) -> Sequence[Booted]:
        return [self.platform, *self.nodes, *self.clones]

    def row_files(self) -> set[str]:
        if self.s3 is None:
            return super().row_files()
        place = parse_s3_url(self.platform.settings["blobs_url"])
        pages = self.s3.client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=place.bucket, Prefix=place.key("rows/"))
        return {place.name(one["Key"]) for page in found for one in page.get("Contents", ())}

    def push(self, text: str = "") -> None:
        """Publish the Worker, with a comment that makes it another version."""
        project = python_project(f"{WORKER}\n# {text}\n", schema=SCHEMA)
        self.worker = self.platform.push(project, "torture", key=self.client.key)
        self.load.worker = self.worker

    # --- machines -------------------------------------------------------------------------

    def strays(self, seconds: float = GONE_SECONDS) -> list[str]:
        return self.strays_of(self.platform, 0, seconds)

    def strays_of(self, machine: Booted, first: int, seconds: float = GONE_SECONDS) -> list[str]:
        """The processes of a stopped machine; ``first`` is the first number of its users."""
        base = self.base_uid + first
        uids = range(base, base + USERS) if self.uids else range(0)
        return after(seconds, lambda: processes_of(machine.home, uids))

    def restart(self) -> list[str]:
        found = super().restart()
        self.balance()
        return found

    def balance(self) -> None:
        """Let the balancer connect to the present addresses of the servers."""
        assert self.relay is not None and self.second is not None
        where = urlsplit(self.platform.url)
        servers = [(str(where.hostname), int(where.port or 0)), self.second.address]
        for address in servers:
            self.relay.connections.setdefault(address, 0)
        self.relay.servers[:] = servers

    def signal_node(self, node: Machine, name: str, number: signal.Signals) -> int:
        """Like ``signal``, for a process of a node."""
        until = time.monotonic() + 20
        while not (pid := pid_in(node, name)) and time.monotonic() < until:
            time.sleep(0.05)
        pidfd = pidfd_of(node, pid)
        send(number, pidfd)
        return pidfd

    def start_node(self, node: Machine) -> list[str]:
        """Start a node that has ended; return what is wrong if it does not come back."""
        try:
            if node.process is not None:
                node.process.wait(GONE_SECONDS)
                node.process = None
            node.launch()
            node.wait_until_ready()
        except WITH_ERRORS as error:
            return [f"{node.name} did not start again: {first_line(error)}"]
        return []

    def connected(self, node: Machine, seconds: float = BACK_SECONDS) -> list[str]:
        """Wait until the runner of a node reports again; return what is wrong if it does not."""
        query = f"SELECT coalesce(max(heartbeat_at), 0) FROM runners WHERE node = '{node.name}'"
        until, before = time.monotonic() + seconds, -1
        while time.monotonic() < until:
            with contextlib.suppress(Unreachable):
                now = int(self.query(query)[0][0])
                if before >= 0 and now > before:
                    return []
                before = now if before < 0 else before
            time.sleep(0.2)
        ended = node.process.poll() if node.process else None
        return [f"{node.name} did not report for {seconds:.0f} s, its status is {ended}"]

    # --- PostgreSQL -----------------------------------------------------------------------

    def follow(self) -> None:
        """Make the standby a new copy of the primary, and let commits wait for it."""
        assert self.postgres is not None and self.standby is not None
        self.standby.create_standby_of(self.postgres)
        self.standby.start()
        with self.postgres.admin() as primary:
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.execute("SELECT pg_reload_conf()")
            until = time.monotonic() + STANDBY_SECONDS
            query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
            while primary.execute(query).fetchone() != (1,):
                assert time.monotonic() < until, "the standby is not synchronous"
                time.sleep(0.05)

    def promote(self) -> None:
        """Make the standby the primary; the old one has ended."""
        assert self.postgres is not None and self.standby is not None
        with self.standby.admin() as standby:
            assert standby.execute("SELECT pg_promote(true, 60)").fetchone() == (True,)
        self.postgres, self.standby = self.standby, self.postgres

    # --- the end --------------------------------------------------------------------------

    def stop(self) -> None:
        assert self.second is not None
        self.second.end(signal.SIGTERM)
        super().stop()


@contextlib.contextmanager
def stage_of_nodes(
    database: str,
    *,
    priced: bool,
    standby: bool = False,
    s3: bool = False,
    volume_mb: int = 0,
    preload: str = "",
    older: bool = False,
    lease_seconds: int = LEASE_SECONDS,
    **settings: str,
) -> Iterator[NodesStage]:
    """Start an installation on PostgreSQL with two servers and three nodes. ``standby``: with a
    synchronous standby. ``s3``: the blobs are in S3. ``older``: the programs of all machines are
    those from before the last migration.
    """
    assert database == "postgres"
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="fyke-torture-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)
        base = FIRST_UID + UIDS * (258 + 2 * (os.getpid() % 256))
        given = SETTINGS | {"lease_seconds": str(lease_seconds)} | settings
        given |= NODE_SETTINGS | {"attempt_uid_base": str(base)}
        if priced:
            given["price_cpu_hour"] = PRICE
        postgres = stack.enter_context(running_postgres(fsync=False))
        with postgres.admin() as connection:
            connection.execute("CREATE DATABASE fyke")
        given["database_url"] = postgres.url("fyke")
        other = None
        if standby:
            other = stack.enter_context(running_postgres(fsync=False, primary=postgres))
            given["database_url"] += f",{other.socket_dir}"
            other.stop()  # until there is something to follow
        server, blobs = None, None
        if s3:
            server, _ = stack.enter_context(moto_server())
            blobs = stack.enter_context(proxying(int(urlsplit(server.access.endpoint).port or 0)))
            access = replace(server.access, endpoint=f"http://127.0.0.1:{blobs.port}")
            given |= s3_access(replace(server, access=access))
        platform = Machines(folder, **given)
        platform.node_settings = {"attempt_uid_base": str(base)}
        platform.volume_mb, platform.preload = volume_mb, preload
        if older:
            platform.older_program = platform.wrapper = older_program(folder / "older")
        stack.callback(platform.close)
        stack.callback(stopped, platform)
        platform.start()
        second = SecondServer(platform)
        stack.callback(lambda: second.end(signal.SIGKILL))
        second.start()
        where = urlsplit(platform.url)
        servers = [(str(where.hostname), int(where.port or 0)), second.address]
        relay = stack.enter_context(relaying(servers))
        receiver = stack.enter_context(listening())
        watcher = stack.enter_context(Watcher(platform.home / "work"))
        key = new_account(platform)
        site = NodesStage(
            platform=platform,
            client=Client(lambda: relay.url, key),
            watcher=watcher,
            receiver=receiver,
            worker="",
            priced=priced,
            uids=range(base, base + 2 * UIDS) if os.geteuid() == 0 else range(0),
            postgres=postgres,
            volume=platform.nodes[0].home if volume_mb else None,
            second=second,
            relay=relay,
            standby=other,
            s3=server,
            blobs=blobs,
            lease_seconds=lease_seconds,
            base_uid=base,
        )
        stack.callback(lambda: [stopped(copy) for copy in site.clones])
        site.push()
        if standby:
            site.follow()
        yield site
