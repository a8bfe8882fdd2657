"""The children of the supervisor: those it started, and those it was given.

Their ends are collected here by SIGCHLD, so nothing else in the process may wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

from fyke.kit.prctl import adopt_orphans


class Child:
    """A child process. ``returncode`` is None while it lives, ``-N`` after signal N."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Return the exit status once it has ended."""
        await self._ended.wait()
        assert self.returncode is not None  # noqa: S101 - for mypy
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended: its number may belong to another process then."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self, status: int) -> None:
        """Note the wait ``status`` that it has left."""
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


class Children:
    """All children of this process, orphans among its descendants included."""

    def __init__(self) -> None:
        """Start to collect; needs a running loop in the main thread."""
        self._known: dict[int, Child] = {}
        self._expecting = 0
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._collect)

    def adopt(self, pid: int) -> Child:
        """Watch the child ``pid``, which has not been collected yet."""
        child = self._known[pid] = Child(pid)
        return child

    @contextlib.contextmanager
    def expecting(self) -> Iterator[None]:
        """Collect nothing meanwhile: a child whose number is not known yet may have ended."""
        self._expecting += 1
        try:
            yield
        finally:
            self._expecting -= 1
            self._collect()

    def _collect(self) -> None:
        while not self._expecting:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self._known.pop(pid, None)
            if child is not None:  # else an orphan: it had to be collected, no more
                child.end(status)
