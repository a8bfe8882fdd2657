"""Runs, subtasks and attempts, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fyke.model.browser import BrowserBlock, BrowserChoice, BrowserMode, BrowserProgram
from fyke.model.placement import DEFAULT_POOL
from fyke.reasons import Reason


class RunState(StrEnum):
    """The state of a run. ``lifecycle.py`` defines the transitions."""

    READY = "ready"  # accepted, no attempt has started
    RUNNING = "running"
    ENDING = "ending"  # a limit was reached; its attempts are being stopped
    ABORTING = "aborting"  # an abort was requested; its attempts are being stopped
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"

    @property
    def terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.ABORTED})
TERMINAL_STATES = tuple(sorted(_TERMINAL))


class Outcome(StrEnum):
    """How an attempt, a subtask or a run ended, as far as the program acts on it. The exact cause
    is a ``Reason``; ``outcome.py`` maps reasons to outcomes.
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
    RETURNED = "returned"  # of an attempt only: its subtask waits again, its Worker never ran
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
        """Return a copy with secrets masked, in the sentence and in the parameters."""
        reason = self.reason and self.reason.mapped(mask)
        return replace(self, message=mask(self.message), reason=reason)


SUCCESS = End(Outcome.SUCCEEDED)


MIN_GAP_MS = 3000  # shorter differences are the time that ending an attempt takes
MAX_PAUSE_MS = 60_000  # the longest pause before a returned subtask is tried again
MAX_LISTED_SUBTASKS = 100  # of one page
MAX_RETRIES = 10  # of a subtask whose attempts were lost with their machine
MAX_SHARE_DAYS = 365  # validity of a share link


class SubtaskState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Origin(StrEnum):
    """What started a run, as named on the wire."""

    API = "api"
    API_V2 = "api_v2"
    WEB = "web"
    SCHEDULE = "schedule"
    TEST = "test"  # a test of a version that is not published


class SpendingBound(StrEnum):
    """What determined the amount on hold for a run, which is the most that it is charged."""

    MOST = "most"  # the highest possible usage of the run: time limit, cap on traffic
    RUN = "run"  # the max_total_charge of the run
    BALANCE = "balance"  # the free balance of the account
    ACCOUNT = "account"  # the account's cap for one run
    MONTH = "month"  # the rest of the account's cap for the month


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may use. 0 = unlimited for the two caps.

    The browser's two are set at the start if the version reserves one, and else are 0 until an
    attempt of the run asks for one. They are part of what each of its attempts reserves, and costs
    while it has a browser.
    """

    cpus: float  # cores, per attempt
    memory_mb: int  # per attempt
    timeout_s: int  # time that its Worker runs, per attempt
    max_charge_micros: int  # US dollars / 10^6, whole run
    max_traffic_bytes: int  # whole run
    browser_cpus: float = 0.0  # cores, of the browser of an attempt
    browser_memory_mb: int = 0
    max_retries: int = 0  # per subtask, of attempts that were lost with their machine


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
    egress_allow: tuple[str, ...]  # private "host:port" that only this run may reach
    input_json: str  # the custom object as submitted
    callback_url: str
    subtasks: int
    subtasks_succeeded: int
    subtasks_failed: int
    results: int  # visible rows, written when it ends
    usage_micros: int
    traffic_bytes: int
    hold_micros: int
    created_at: int
    started_at: int
    finished_at: int
    summary: str = ""  # the input in one line, see ``summary.py``
    bound: SpendingBound = SpendingBound.MOST  # what determined ``hold_micros``
    busy_ms: int = 0  # total run time of its Workers; this and the next two: written when it ends
    cpu_ms: int = 0
    memory_mb_ms: int = 0  # MiB times milliseconds
    reason: Reason | None = None  # of ``err_msg``; runs of older releases have none
    gap_ms: int = 0  # see ``Attempt``; not part of the duration, written when it ends
    browser_required: bool = False  # only runners with a browser lease its subtasks
    browser_memory_asked: bool = False  # its start has set ``limits.browser_memory_mb``
    browser_ms: int = 0  # total time of its browsers, written when it ends
    browser_block: tuple[BrowserBlock, ...] = ()  # what they do not load
    browser_mode: BrowserMode = BrowserMode.UNSET  # as its start asks, or its version declares
    browser_program: str = ""  # a ``BrowserProgram``; "" when its start asks for none
    pool: str = DEFAULT_POOL  # whose machines lease its subtasks
    pool_asked: bool = False  # its start has named the pool
    labels: Mapping[str, str] = field(default_factory=dict)  # that these machines must have
    region_of_node: bool = False  # they must have the label ``region`` with its region, too
    operators_worker: bool = False  # runners without limits may execute it
    environment: str = ""  # the name of what they need installed, see ``environment_name``

    @property
    def browser_choice(self) -> BrowserChoice:
        program = BrowserProgram(self.browser_program) if self.browser_program else None
        return BrowserChoice(self.browser_mode, program)

    def duration_ms(self, now: int = 0) -> int:
        """From the start of its first Worker to the end, or until ``now``; 0 before the start."""
        return duration(self.started_at, self.finished_at or now, self.gap_ms)

    @property
    def duration_seconds(self) -> int:
        """The duration of an ended run as published: the difference of its times in whole seconds,
        without the gap. 0 until it has ended.
        """
        start, end = self.started_at // 1000, self.finished_at // 1000
        return duration(start, end, round(self.gap_ms / 1000))


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
    not_before: int = 0  # a waiting subtask is not leased before, after its attempt was returned


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """What identifies an attempt in every call about it. ``token`` is the fencing token of its
    lease; the other fields are as in ``Attempt``.
    """

    id: str
    run_id: str
    ordinal: int
    number: str
    token: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a subtask. A write has an effect only with its current ``token``."""

    id: str
    run_id: str
    ordinal: int  # of its subtask
    number: str  # of its subtask, for the log
    runner_id: str
    token: int
    lease_until: int
    outcome: Outcome | None  # None while it is active
    err_msg: str
    rows: int
    traffic_bytes: int
    cpu_ms: int
    memory_peak_bytes: int
    started_at: int
    finished_at: int
    memory_mb_ms: int = 0  # memory over time: MiB times milliseconds
    reason: Reason | None = None
    busy_ms: int = 0  # how long its Worker has run, by the monotonic clock of its runner
    browser_ms: int = 0  # how long it had a browser, by the same clock
    browser_cpu_ms: int = 0
    browser_memory_peak_bytes: int = 0
    browser_memory_mb_ms: int = 0  # as ``memory_mb_ms``
    browser_version: str = ""  # program and number; empty when it had no browser
    node: str = ""  # the machine of its runner; attempts of older releases have none
    replaced: bool = False  # its rows are not shown, but those of another attempt of its subtask

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.id, self.run_id, self.ordinal, self.number, self.token)

    @property
    def gap_ms(self) -> int:
        """How much longer an ended attempt took by the clock than its Worker has run: steps of the
        clock and pauses of the machine, 0 below ``MIN_GAP_MS``. Negative after a step back.
        """
        if not self.started_at or not self.finished_at:
            return 0
        gap = self.finished_at - self.started_at - self.busy_ms
        return gap if abs(gap) >= MIN_GAP_MS else 0


def duration(started_at: int, until: int, gap: int) -> int:
    """The time between two moments without the gap, in the unit of all three; 0 before the start
    and without an end.
    """
    return max(0, until - started_at - gap) if started_at and until else 0


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One entry of a run's history, written in the transaction that changes its state. Of an event
    of one attempt, ``number`` is that of its subtask, and ``node`` its machine.
    """

    run_id: str
    at: int
    kind: str
    before: str
    after: str
    actor: str
    detail: str
    reason: Reason | None = None
    number: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class StartRecord:
    """The start that belongs to a start key; see ``start_keys.py``. Until ``expires_at`` (ms) the
    same key returns the same start.
    """

    account_id: str
    key: str
    digest: str  # of the request
    made: str  # what was created with the id ``ref``: a run or a queue item
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
    """A run that succeeded or reached its time limit, for estimates. Times in ms: ``wall_ms`` from
    start to end, ``busy_ms`` and ``browser_ms`` of all attempts together, ``at`` when it ended.
    """

    version: str
    cpus: float
    subtasks: int
    wall_ms: int
    busy_ms: int
    cpu_ms: int
    traffic_bytes: int
    at: int
    browser_ms: int = 0


@dataclass(frozen=True, slots=True)
class UsageSample:
    """The usage of a run at one moment. ``memory_bytes`` is the memory of its attempts at that
    moment, ``browser_memory_bytes`` that of their browsers; the other numbers are totals since its
    start.
    """

    run_id: str
    at: int  # ms since the epoch
    cpu_ms: int
    memory_bytes: int
    traffic_bytes: int
    rows: int  # pushed, including hidden ones
    browser_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SampleSpan:
    """How many samples there are, and when the first and the last were taken (ms)."""

    count: int = 0
    first_at: int = 0
    last_at: int = 0


class BlockedSite(StrEnum):
    """Why a site was refused or never reached, derived from its name, counters and the version's
    list.
    """

    UNDECLARED = "undeclared"  # not among the domains that the version declares
    NOT_PUBLIC = "not_public"  # an address of a private or special network
    RULE = "rule"  # resolves to such an address, has a refused port, or is throttled
    UNREACHABLE = "unreachable"  # no connection: no such name, no answer, or a failed region proxy


@dataclass(frozen=True, slots=True)
class Share:
    """A share link. ``rows`` and ``log``: whether it also shows these. Times in ms."""

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
