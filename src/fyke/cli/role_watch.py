"""Watches the roles for the supervisor.

Each role reports every two seconds (``fyke.app.heartbeat``) that its event loop runs, the state of
its database, and which of the roles that are started later are needed. A role whose loop or
database is silent for ``SILENCE`` seconds is killed, and the supervisor restarts it. An error of
the database is not silence. Every report is answered with the status of all roles.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fyke.cli.children import Child
from fyke.cli.supervisor_log import SupervisorLog
from fyke.kit.watchdog import Watchdog

SILENCE = 20.0
CHECK_INTERVAL = 1.0
PACKET = 4096
PENDING = "pending"  # neither an answer nor an error of the database so far
STARTED_LATER = ("gateway", "browser")
STORES = frozenset({"answered", "failed", PENDING, "none"})  # ``StoreState``, without its imports


@dataclass(slots=True)
class WatchedRole:
    """The last report of a role, and why it last ended."""

    reported_at: float
    connection: socket.socket | None = None
    process: Child | None = None
    store: str = "none"
    killed: str = ""
    restarts: int = 0
    cause: str = ""
    watched_here: bool = True


class RoleWatch:
    """Requires a running event loop. ``run`` checks every second."""

    def __init__(
        self,
        log: SupervisorLog,
        *,
        silence: float = SILENCE,
        loop_silence: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_needed: Callable[[str], None] = lambda role: None,
    ) -> None:
        """``loop_silence``: seconds of silence of the event loop for roles with their own limit.
        ``on_needed`` is called for each of ``STARTED_LATER`` that a report says is needed.
        """
        self._log = log
        self._silence = silence
        self._loop_silence = loop_silence or {}
        self._clock = clock
        self._on_needed = on_needed
        self._roles: dict[str, WatchedRole] = {}
        self._watchdog: Watchdog[tuple[str, str]] = Watchdog(clock=clock)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            self.check()

    @contextlib.contextmanager
    def connection(self, name: str) -> Iterator[int]:
        """Connect a role that is about to start; yield the descriptor of its end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        role = self._roles.setdefault(name, WatchedRole(self._clock()))
        role.connection = ours
        if not role.watched_here:  # it was not needed for a while
            role.watched_here, role.reported_at = True, self._clock()
        asyncio.get_running_loop().add_reader(ours, self._receive, name, ours)
        with theirs:
            yield theirs.fileno()

    def started(self, name: str, process: Child) -> None:
        """Start to watch ``process``."""
        role = self._roles[name]
        role.process = process
        self._watchdog.watch((name, "loop"), self._loop_silence.get(name, self._silence))
        self._watchdog.watch((name, "database"), self._silence)

    def ended(self, name: str, code: int | str) -> None:
        """Stop watching the process of ``name``, which exited with ``code`` and is restarted."""
        role = self._roles.setdefault(name, WatchedRole(self._clock()))
        self._forget(name)
        role.restarts += 1
        role.cause = role.killed or f"it exited with status {code}"
        self._disconnect(role)

    def idle(self, name: str) -> None:
        """Stop watching the process of ``name``, which has ended because it has nothing to do."""
        self._forget(name)
        role = self._roles[name]
        role.watched_here = False
        self._disconnect(role)

    def _disconnect(self, role: WatchedRole) -> None:
        role.process, role.killed = None, ""
        if role.connection is not None:
            asyncio.get_running_loop().remove_reader(role.connection)
            role.connection.close()
            role.connection = None

    def launcher_ended(self, cause: str) -> None:
        """Count a restart of the launcher, which the root supervisor watches."""
        launcher = self._roles.setdefault(
            "launcher", WatchedRole(self._clock(), watched_here=False)
        )
        launcher.restarts += 1
        launcher.cause = cause

    def check(self) -> None:
        """Kill the roles that are silent."""
        for name, subject in self._watchdog.silent():
            role = self._roles[name]
            if role.process is None or role.killed:
                continue
            seconds = self._watchdog.silent_seconds((name, subject))
            if subject == "loop":
                role.killed = f"it did not report for {seconds:.0f} s"
            else:
                role.killed = f"its database neither answered nor failed for {seconds:.0f} s"
            self._log.error("role_killed", role=name, reason=role.killed)
            self._forget(name)
            role.process.kill()

    def _forget(self, name: str) -> None:
        for subject in ("loop", "database"):
            self._watchdog.forget((name, subject))

    def _receive(self, name: str, connection: socket.socket) -> None:
        try:
            packet = connection.recv(PACKET)
            report = json.loads(packet or b"{}")
            store = report.get("store")
            needed = [name for name in STARTED_LATER if report.get(name) is True]
        except (BlockingIOError, ValueError, AttributeError, RecursionError):
            return
        except OSError:
            packet = b""
        if not packet:  # the process has ended, or has closed its end
            asyncio.get_running_loop().remove_reader(connection)
            return
        role = self._roles[name]
        role.reported_at = self._clock()
        role.store = store if isinstance(store, str) and store in STORES else PENDING
        self._watchdog.renew((name, "loop"))
        if role.store != PENDING:
            self._watchdog.renew((name, "database"))
        with contextlib.suppress(OSError):  # the process does not read, or has ended
            connection.send(json.dumps(self._known()).encode())
        for role_name in needed:
            self._on_needed(role_name)

    def _known(self) -> list[tuple[str, float, str, int, str]]:
        """For each role: name, seconds of silence, state of its database, restarts, cause."""
        now = self._clock()
        return [
            (name, round(silence, 1), role.store, role.restarts, role.cause)
            for name, role in self._roles.items()
            for silence in [now - role.reported_at if role.watched_here else 0.0]
        ]
