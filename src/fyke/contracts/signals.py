"""Signals between processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol


class Signals(Protocol):
    """Wakes other processes. A signal may be lost, so waiting loops also poll at long intervals.

    A process of one role only receives the topics of this role (``reader_of``).
    """

    def notify(self, topic: str) -> None:
        """Signal ``topic``. Never blocks or raises; may be called from any thread."""
        ...

    def listen(self) -> AbstractAsyncContextManager[Listener]: ...
    def watch(self, prefix: str, call: Callable[[str], None]) -> None:
        """From now on call ``call``, in this event loop, with the rest of each signalled topic that
        begins with ``prefix``.
        """
        ...

    def close(self) -> None: ...


class Listener(Protocol):
    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """Return the next of ``topics`` that was signalled since the last call, None after
        ``timeout`` seconds. Repeated signals of one topic count once.
        """
        ...


WORK = "work"  # subtasks are waiting
PREPARE = "prepare"  # the environment of a version is to be prepared
STOP = "stop"  # attempts of a run are to be stopped
SITES = "sites"  # a site is paused, or a machine has come
OUTBOX = "outbox"  # a delivery is due
ALERTS = "alerts"  # a run to which an alert rule applies has ended
SCHEDULES = "schedules"  # a schedule was changed
SERVERS = "servers"  # a server has started or stopped
NODES = "nodes"  # a token for nodes was made


class SignalReader(StrEnum):
    """A role that reads signals."""

    RUNNER = "runner"
    SERVER = "server"


_FOR_RUNNERS = frozenset({WORK, PREPARE, STOP, SITES})
# with the name of an environment: subtasks that need it are waiting, as ``WORK`` says after it
WORK_FOR = "work_for:"
FOLLOWED = "followed:"  # with the id of a run: its output is followed, see ``output_topic``


def reader_of(topic: str) -> SignalReader:
    """The only role that waits for this topic."""
    if topic in _FOR_RUNNERS or topic.startswith((WORK_FOR, FOLLOWED)):
        return SignalReader.RUNNER
    return SignalReader.SERVER


def run_topic(run_id: str) -> str:
    """Signalled when a run starts, and when it becomes terminal."""
    return f"run:{run_id}"


def upload_topic(upload_id: str) -> str:
    """Signalled when a check of an upload starts or ends."""
    return f"upload:{upload_id}"


def output_topic(run_id: str) -> str:
    """Signalled when rows or log lines of a run were stored, at most four times a second, as long
    as a stream says that the run is ``FOLLOWED``.
    """
    return f"output:{run_id}"
