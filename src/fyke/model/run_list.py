"""A search over runs, and the lines it finds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from fyke.model.run import Origin, Outcome, RunState
from fyke.reasons import Reason, ReasonCode

MAX_LISTED = 200  # runs of one page
MAX_NAMED = 100  # runs of one request that names them
MAX_MATCHED = 500  # runs of one request that means all that match


class BulkAction(StrEnum):
    """What is done to each run."""

    ABORT = "abort"
    RERUN = "rerun"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Which runs to list. Empty members do not filter; a run must match all others.

    ``run_id`` is an id or its beginning, ``error`` a part of the message (the case of ASCII letters
    is ignored). Times in ms: from ``created_from``, before ``created_until``.
    """

    states: tuple[RunState, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    reasons: tuple[ReasonCode, ...] = ()
    worker_id: str = ""
    task_id: str = ""
    origins: tuple[Origin, ...] = ()
    version: str = ""
    created_from: int = 0
    created_until: int = 0
    error: str = ""
    run_id: str = ""

    @property
    def filters(self) -> frozenset[str]:
        """Names of the members that are in use."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name))


@dataclass(frozen=True, slots=True, order=True)
class ListCursor:
    """Where a walk continues: after this run, in the same direction."""

    created_at: int  # ms
    run_id: str

    def text(self) -> str:
        return f"{self.created_at}-{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as a list shows it: without its input, of which ``summary`` is one line.

    ``input_json`` is there only for a run without a summary whose input is short: an old one.
    """

    id: str
    account_id: str
    worker_id: str
    version: str
    task_id: str
    key_id: str
    origin: Origin
    state: RunState
    outcome: Outcome | None
    err_msg: str
    summary: str
    input_json: str
    memory_mb: int
    timeout_s: int
    region: str
    subtasks: int
    subtasks_succeeded: int
    subtasks_failed: int
    results: int
    usage_micros: int
    traffic_bytes: int
    created_at: int
    started_at: int
    finished_at: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class ListWalk:
    """What a walk found, in its direction. ``stopped`` is where it gave up looking because that
    was enough for one question; None when it found what was wanted, or came to the end.
    """

    cursors: list[ListCursor]
    stopped: ListCursor | None = None
