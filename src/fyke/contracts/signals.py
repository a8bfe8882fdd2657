"""Waking another process by event."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Signals(Protocol):
    """Waking by event. A ring may be lost; whoever waits also sweeps slowly."""

    def notify(self, topic: str) -> None:
        """Never blocks, never fails the caller; callable from any thread."""
        ...

    def listen(self) -> AbstractAsyncContextManager[Listener]: ...
    def close(self) -> None: ...


class Listener(Protocol):
    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """The next topic that was rung among ``topics`` since the last call, None after
        ``timeout`` seconds. Repeated rings of one topic count once.
        """
        ...


WORK = "work"  # subtasks are waiting
STOP = "stop"  # a run wants its attempts stopped
OUTBOX = "outbox"  # a delivery is due
ALERTS = "alerts"  # a run has ended that a rule looks at
SCHEDULES = "schedules"  # a schedule was changed
SERVERS = "servers"  # a server has come or gone


def run_topic(run_id: str) -> str:
    """Rung when a run becomes terminal, and when it starts."""
    return f"run:{run_id}"


def upload_topic(upload_id: str) -> str:
    """Rung when a check of an upload begins or ends."""
    return f"upload:{upload_id}"


def output_topic(run_id: str) -> str:
    """Rung when rows or log lines of a run were stored, at most four times a second."""
    return f"output:{run_id}"
