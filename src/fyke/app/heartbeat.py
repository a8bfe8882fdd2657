"""The reports of a role to its supervisor, and what it learns from the answers.

One report is one packet on a socket pair: the state of the role's store, and whether a gateway for
nodes, or one for browsers, is needed. Its arrival shows that the event loop runs. The answer
contains the status of all roles.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence

from fyke.contracts.liveness import ProcessReport, StorePath, StoreState

REPORT_SECONDS = 2.0
PACKET = 65536
PEER_SECONDS = 5.0


class Heartbeat:
    """Reports every ``REPORT_SECONDS``. Does nothing without a supervisor."""

    def __init__(
        self,
        name: str,
        supervisor: socket.socket | None,
        *,
        seconds: float = REPORT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``name`` is the name of this role."""
        self.name = name
        self._clock = clock
        self._answered_at = 0.0
        self._supervisor = supervisor
        self._seconds = seconds
        self._checks: list[_Check] = []
        self._processes: list[ProcessReport] = []
        self._needs_gateway = self._needs_browser = False
        self._last_store = StoreState.NONE

    def need_gateway(self) -> None:
        """From now on, report that this machine needs the role ``gateway``."""
        self._needs_gateway = True

    def need_browser(self, needed: bool) -> None:
        """From now on, report whether this machine needs the role ``browser``; at once if so."""
        is_new = needed and not self._needs_browser
        self._needs_browser = needed
        if is_new and self._supervisor is not None:
            self._send(self._supervisor)

    @property
    def supervised(self) -> bool:
        """Whether there is a supervisor, which starts roles that are needed."""
        return self._supervisor is not None

    def watch_stores(self, paths: Sequence[StorePath]) -> None:
        """Start to check these paths to the database."""
        self._checks += [_Check(path) for path in paths]

    def processes(self) -> list[ProcessReport]:
        """All roles of this machine, as the supervisor last reported them."""
        return self._processes

    def peer_store(self) -> StoreState | None:
        """The database state that another role of this machine last reported, if at most
        ``PEER_SECONDS`` ago; otherwise None.
        """
        age = self._clock() - self._answered_at
        for report in self._processes:
            known = report.store is not StoreState.NONE
            if report.name != self.name and known and report.silent + age <= PEER_SECONDS:
                return report.store
        return None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report as long as the context is open."""
        if self._supervisor is None:
            yield
            return
        self._supervisor.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._supervisor, self._receive, self._supervisor)
        reporting = asyncio.create_task(self._report_regularly(self._supervisor))
        try:
            yield
        finally:
            reporting.cancel()
            loop.remove_reader(self._supervisor)
            for check in self._checks:
                check.cancel()

    async def _report_regularly(self, supervisor: socket.socket) -> None:
        while True:
            self._last_store = self._store()
            self._send(supervisor)
            await asyncio.sleep(self._seconds)

    def _send(self, supervisor: socket.socket) -> None:
        report = {
            "store": self._last_store.value,
            "gateway": self._needs_gateway,
            "browser": self._needs_browser,
        }
        with contextlib.suppress(OSError):  # the supervisor is stopped, or gone
            supervisor.send(json.dumps(report).encode())

    def _store(self) -> StoreState:
        """The worst state of the paths to the database; starts the next checks."""
        states = {check.state() for check in self._checks}
        for state in (StoreState.PENDING, StoreState.FAILED, StoreState.ANSWERED):
            if state in states:
                return state
        return StoreState.NONE

    def _receive(self, supervisor: socket.socket) -> None:
        try:
            packet = supervisor.recv(PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:  # the kernel ends this process with its supervisor
            asyncio.get_running_loop().remove_reader(supervisor)
            return
        self._answered_at = self._clock()
        self._processes = [
            ProcessReport(name, silent, StoreState(store), restarts, cause)
            for name, silent, store, restarts, cause in json.loads(packet)
        ]


class _Check:
    """Checks one path to the database repeatedly. While a check is pending, other operations that
    complete on this path count as checks, because they wait in the same queue.
    """

    def __init__(self, path: StorePath) -> None:
        self._path = path
        self._task: asyncio.Task[object] | None = None
        self._progress = path.progress()

    def state(self) -> StoreState:
        """The state since the last call; the first one only starts the check."""
        state, progress = StoreState.NONE, self._path.progress()
        if self._task is not None and not self._task.done():
            state = _of_others(self._progress, progress)
        elif self._task is not None:
            failed = self._task.exception() is not None
            state = StoreState.FAILED if failed else StoreState.ANSWERED
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._path.check())
        self._progress = progress
        return state

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _of_others(before: tuple[int, int], now: tuple[int, int]) -> StoreState:
    """The state according to other operations that have returned or raised in the meantime."""
    if now[0] != before[0]:
        return StoreState.ANSWERED
    return StoreState.FAILED if now[1] != before[1] else StoreState.PENDING
