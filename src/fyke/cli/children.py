"""The children of the supervisor: those it started, and adopted orphans.

They are reaped here on SIGCHLD, so nothing else in the process may wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

from fyke.kit.prctl import adopt_orphans


class Child:
    """A child process. ``returncode`` is None while it runs, ``-N`` after signal N."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait for the end of the process and return its exit status."""
        await self._ended.wait()
        assert self.returncode is not None  # noqa: S101 - for mypy
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless the child has ended: then its pid may belong to another process."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def record_exit(self, status: int) -> None:
        """Record the wait ``status`` of the ended child."""
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


class Children:
    """All children of this process, including orphaned descendants."""

    def __init__(self) -> None:
        """Start reaping; requires a running event loop in the main thread."""
        self._children: dict[int, Child] = {}
        self._pauses = 0
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def adopt(self, pid: int) -> Child:
        """Watch the child ``pid``, which has not been reaped yet."""
        child = self._children[pid] = Child(pid)
        return child

    @contextlib.contextmanager
    def reaping_paused(self) -> Iterator[None]:
        """Pause reaping until a new child is adopted: it may end before its pid is known."""
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            self._reap()

    def _reap(self) -> None:
        while not self._pauses:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self._children.pop(pid, None)
            if child is not None:  # None for an orphan
                child.record_exit(status)
