"""Whether a process works: its paths to the database, and what the supervisor knows about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum


class StoreState(StrEnum):
    """What a process last saw of its database."""

    ANSWERED = "answered"
    FAILED = "failed"  # the process has noticed that the database cannot be reached
    PENDING = "pending"  # neither an answer nor an error so far
    NONE = "none"  # the process uses no database


@dataclass(frozen=True, slots=True)
class StorePath:
    """One path that requests take to a database. ``check`` uses it; ``progress`` counts the
    operations on it that have returned, and those that have raised an error.
    """

    check: Callable[[], Awaitable[object]]
    progress: Callable[[], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What the supervisor knows of one process: for how many seconds it has been ``silent``, its
    ``store``, how often it was restarted, and why it last ended.
    """

    name: str
    silent: float
    store: StoreState
    restarts: int
    cause: str
