"""Searches over runs, and the lines of their lists."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from fyke.model.run import Origin, Outcome, RunState, duration
from fyke.reasons import Reason, ReasonCode


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Which runs to list. Empty members do not filter; a run must match all others.

    ``run_id`` is an id or a prefix, ``error`` a part of the message (the case of ASCII letters is
    ignored). Times in ms: from ``created_from``, before ``created_until``.
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
    without_rows: bool = False  # of those that succeeded, only these

    @property
    def filters(self) -> frozenset[str]:
        """Names of the members that are in use."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name))


@dataclass(frozen=True, slots=True, order=True)
class ListCursor:
    """A list continues after this run, in the same direction."""

    created_at: int  # ms
    run_id: str

    def text(self) -> str:
        return f"{self.created_at}-{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list: a one-line ``summary`` instead of its input.

    ``input_json`` is set only for old runs without a summary, if it is short.
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
    gap_ms: int = 0


@dataclass(frozen=True, slots=True)
class ListWalk:
    """The matches of one scan, in its direction. ``stopped`` is the last run that was scanned when
    it reached its limit; None when it found enough or reached the end.
    """

    cursors: list[ListCursor]
    stopped: ListCursor | None = None


class RunsOf(StrEnum):
    """What the last runs are read of; the values are columns of runs."""

    ACCOUNT = "account_id"
    WORKER = "worker_id"
    TASK = "task_id"


@dataclass(frozen=True, slots=True)
class RunPoint:
    """A run in a picture of several. The figures of a run that has not ended may still be 0."""

    id: str
    version: str
    state: RunState
    results: int
    usage_micros: int
    traffic_bytes: int
    created_at: int
    started_at: int
    finished_at: int
    gap_ms: int = 0

    def duration_ms(self, now: int) -> int:
        """From the start of the first Worker to the end, or until now; 0 before the start."""
        return duration(self.started_at, self.finished_at or now, self.gap_ms)


@dataclass(frozen=True, slots=True)
class AttemptPoint:
    """An ended attempt in a picture of those of a machine. ``point`` has the id of its run, of this
    account, and its own figures.
    """

    account_id: str
    point: RunPoint


@dataclass(frozen=True, slots=True)
class TimeSteps:
    """``number`` steps of ``length`` ms from ``first`` (ms) on."""

    first: int
    length: int
    number: int

    @property
    def end(self) -> int:
        return self.first + self.length * self.number


@dataclass(frozen=True, slots=True)
class RunsOverTime:
    """How many runs were created in each step of time, by state, without states of which there is
    none. The steps before the index ``counted_from`` were not counted.
    """

    steps: TimeSteps
    counts: tuple[dict[RunState, int], ...]
    counted_from: int = 0
