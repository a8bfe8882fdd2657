"""Runs, subtasks, attempts, and every way one can end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from fyke.reasons import Reason


class RunState(StrEnum):
    """The state of a run. ``lifecycle.py`` defines the transitions."""

    READY = "ready"  # accepted, nothing of it has started
    RUNNING = "running"
    ENDING = "ending"  # a limit was reached or it failed early; attempts are being stopped
    ABORTING = "aborting"  # an abort was requested; attempts are being stopped
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"

    @property
    def terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.ABORTED})
TERMINAL_STATES = tuple(sorted(_TERMINAL))


class Outcome(StrEnum):
    """How an attempt, a subtask or a run ended: what follows from it. The exact reason is a
    ``Reason``; ``outcome.py`` maps one to the other.
    """

    SUCCEEDED = "succeeded"
    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    TRAFFIC_CAP = "traffic_cap"
    CHARGE_CAP = "charge_cap"
    ROW_CAP = "row_cap"
    DISK_CAP = "disk_cap"
    INSTALL_FAILED = "install_failed"
    ISOLATION_REFUSED = "isolation_refused"
    WORKER_DELETED = "worker_deleted"
    RUNNER_LOST = "runner_lost"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt, a subtask or a run ended. ``message`` is the English sentence that is stored
    beside the reason. ``reason`` is None for a success, and for ends of an older release.
    """

    outcome: Outcome
    message: str = ""
    reason: Reason | None = None

    def masked(self, mask: Callable[[str], str]) -> End:
        """The same without secrets, in the sentence and in the parameters."""
        reason = self.reason and self.reason.mapped(mask)
        return replace(self, message=mask(self.message), reason=reason)


SUCCESS = End(Outcome.SUCCEEDED)


class SubtaskState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Origin(StrEnum):
    """Where a start came from, as the wire names it."""

    API = "api"
    API_V2 = "api_v2"
    WEB = "web"
    SCHEDULE = "schedule"
    TEST = "test"  # a trial of a version that is not published


class SpendingBound(StrEnum):
    """What the charge of a run ends at, where it costs money: what was held for it, and why."""

    MOST = "most"  # the most that it can use: its time limit, its cap on traffic
    RUN = "run"  # its max_total_charge
    BALANCE = "balance"  # all that the account had free
    ACCOUNT = "account"  # the account's cap for one run
    MONTH = "month"  # what was left of the account's cap for the month


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may use. 0 = unlimited for the two caps."""

    cpus: float  # cores, per attempt
    memory_mb: int  # per attempt
    timeout_s: int  # wall clock, per attempt
    max_charge_micros: int  # US dollars / 10^6, whole run
    max_traffic_bytes: int  # whole run


@dataclass(frozen=True, slots=True)
class Run:
    """One request to execute a version with an input. Times in ms since the epoch, 0 = not yet."""

    id: str
    account_id: str
    worker_id: str
    version: str
    task_id: str  # "" when not started from a saved task
    key_id: str
    origin: Origin
    state: RunState
    outcome: Outcome | None
    err_msg: str
    limits: RunLimits
    region: str  # two letters, "" = the installation's default
    egress_allow: tuple[str, ...]  # "host:port" that only this run may reach although private
    input_json: str  # the custom object as submitted
    callback_url: str
    subtasks: int
    subtasks_succeeded: int
    subtasks_failed: int
    results: int  # final count of visible rows; while running read it from the results
    usage_micros: int
    traffic_bytes: int
    hold_micros: int
    created_at: int
    started_at: int
    finished_at: int
    summary: str = ""  # the input in one line, see ``summary.py``
    bound: SpendingBound = SpendingBound.MOST  # what ``hold_micros`` comes from
    busy_ms: int = 0  # its attempts' time, cpu and memory in all, once it has ended
    cpu_ms: int = 0
    memory_mb_ms: int = 0  # MiB times milliseconds
    reason: Reason | None = None  # beside ``err_msg``; None for a run of an older release too


@dataclass(frozen=True, slots=True)
class Subtask:
    """One part of a run's input. ``number`` is its 17-digit name in the log."""

    run_id: str
    ordinal: int
    number: str
    input_json: str
    state: SubtaskState
    outcome: Outcome | None
    err_msg: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a subtask. ``token`` is the fence: a write with an older one changes nothing."""

    id: str
    run_id: str
    ordinal: int  # of its subtask
    number: str  # of its subtask, for the log
    runner_id: str
    token: int
    lease_until: int
    outcome: Outcome | None  # None while it lives
    err_msg: str
    rows: int
    traffic_bytes: int
    cpu_ms: int
    memory_peak_bytes: int
    started_at: int
    finished_at: int
    memory_mb_ms: int = 0  # what it held over the time that it held it: MiB times milliseconds
    reason: Reason | None = None

    def busy_ms(self, now: int) -> int:
        """How long its Worker ran, or has been running at ``now``."""
        return max(0, (self.finished_at or now) - self.started_at) if self.started_at else 0


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of a run's history; written by the function that changes the state, never apart."""

    run_id: str
    at: int
    kind: str
    before: str
    after: str
    actor: str
    detail: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class StartRecord:
    """What was started with a caller's own key; see ``start_keys.py``. Until ``expires_at`` (ms)
    the same key means the same start.
    """

    account_id: str
    key: str
    digest: str  # of the request
    made: str  # what ``ref`` is the id of: a run or a queue item
    ref: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list. Empty members do not filter; newest first."""

    states: tuple[RunState, ...] = ()
    worker_id: str | None = None
    created_from: int = 0
    created_until: int = 0


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that has done its work, or ran into its time limit. Times in ms: ``wall_ms`` from start
    to end, ``busy_ms`` of all its attempts together, ``at`` when it ended.
    """

    version: str
    cpus: float
    subtasks: int
    wall_ms: int
    busy_ms: int
    cpu_ms: int
    traffic_bytes: int
    at: int


@dataclass(frozen=True, slots=True)
class UsageSample:
    """What a run had used at a moment. ``memory_bytes`` is what its attempts held then; the other
    figures are sums since its start, of all its attempts.
    """

    run_id: str
    at: int  # ms since the epoch
    cpu_ms: int
    memory_bytes: int
    traffic_bytes: int
    rows: int  # pushed, whether they are shown or not


@dataclass(frozen=True, slots=True)
class SampleSpan:
    """The points that there are: how many, and when the first and the last were taken."""

    count: int = 0
    first_at: int = 0
    last_at: int = 0


class BlockedSite(StrEnum):
    """Why a site was refused, derived from its name and the version's list."""

    UNDECLARED = "undeclared"  # not among the domains that the version declares
    NOT_PUBLIC = "not_public"  # an address of a private or special network
    RULE = "rule"  # leads to one, or has a closed port, or is throttled


@dataclass(frozen=True, slots=True)
class Share:
    """``rows`` and ``log`` say what may be seen beside the state of the run. Times in ms."""

    id: str
    account_id: str
    run_id: str
    made_by: str  # a user's id
    rows: bool
    log: bool
    created_at: int
    expires_at: int
    revoked_at: int  # 0 = not

    def valid(self, now: int) -> bool:
        return not self.revoked_at and now < self.expires_at
