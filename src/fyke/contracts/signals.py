"""Notifications between processes."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Signals(Protocol):
    """Wakes other processes. A notification may be lost, so waiting loops also poll, slowly."""

    def notify(self, topic: str) -> None:
        """Never blocks, never fails the caller; callable from any thread."""
        ...

    def listen(self) -> AbstractAsyncContextManager[Listener]: ...
    def close(self) -> None: ...


class Listener(Protocol):
    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """Return the next of ``topics`` that was notified since the last call, None after
        ``timeout`` seconds. Repeated notifications of one topic count once.
        """
        ...


WORK = "work"  # subtasks are waiting
STOP = "stop"  # a run wants its attempts stopped
OUTBOX = "outbox"  # a delivery is due
ALERTS = "alerts"  # a run has ended that an alert rule applies to
SCHEDULES = "schedules"  # a schedule was changed
SERVERS = "servers"  # a server has started or stopped


def run_topic(run_id: str) -> str:
    """Notified when a run starts, and when it becomes terminal."""
    return f"run:{run_id}"


def upload_topic(upload_id: str) -> str:
    """Notified when a check of an upload starts or ends."""
    return f"upload:{upload_id}"


def output_topic(run_id: str) -> str:
    """Notified when rows or log lines of a run were stored, at most four times a second."""
    return f"output:{run_id}"
