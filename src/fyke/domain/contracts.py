"""Every door out of the domain, in reading order. The whole architecture stands on this page.

* ``Storage`` and its ``Transaction``: state (accounts, workers, runs, leases, ledger, outbox).
* ``Results``: rows, headers and log lines, a store of its own, because a start must never wait
  behind a stream of rows.
* ``Blobs``: bundles by digest.
* ``Doorbell``: waking another process by event.
* ``Engine``: where and when attempts go.
* ``Environments``, ``Sandbox`` and ``Box``: the walls around one attempt.
* ``Egress``: the way out to the web for one attempt.
* ``Notifier``: one HTTP POST to a user's server.

An implementation is done when it passes the suite of its contract in ``tests/contract``.
Storage is synchronous inside a transaction and runs in a thread; everything else is async.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar

from fyke.domain.accounts.model import Account, ApiKey, User
from fyke.domain.accounts.plans import Plan
from fyke.domain.billing.model import LedgerEntry
from fyke.domain.callbacks.model import (
    Claim,
    Delivery,
    DeliveryFilter,
    Receiver,
    Standing,
    Try,
)
from fyke.domain.logs.model import LogEntry
from fyke.domain.queue.model import QueueItem
from fyke.domain.results.model import AttemptBatch, Header, Row, RunTotals
from fyke.domain.runs.model import (
    Attempt,
    Outcome,
    Run,
    RunEvent,
    RunFilter,
    RunState,
    StartRecord,
    Subtask,
)
from fyke.domain.schedules.model import Fire, Schedule
from fyke.domain.tasks.model import Task
from fyke.domain.workers.model import Version, VersionState, Worker, WorkerPage

T = TypeVar("T")


# --- state ---------------------------------------------------------------------------------


class AccountStore(Protocol):
    """Accounts, their users and keys. Balances change only through ``LedgerStore.append``."""

    def add(self, account: Account) -> None:
        """Raise ``Conflict`` when the name is taken."""
        ...

    def get(self, account_id: str) -> Account | None: ...
    def lock(self, account_id: str) -> Account | None:
        """As ``get``, and nobody else moves its balance until this transaction ends."""
        ...

    def by_name(self, name: str) -> Account | None: ...
    def operator(self) -> Account | None:
        """The one account that runs this installation, None before the first start."""
        ...

    def all(self) -> list[Account]: ...
    def add_user(self, user: User) -> None: ...
    def user(self, user_id: str) -> User | None: ...
    def users(self, account_id: str) -> list[User]: ...
    def set_time_zone(self, account_id: str, time_zone: str) -> None: ...
    def set_plan(self, account_id: str, plan: Plan) -> None: ...
    def add_key(self, key: ApiKey) -> None: ...
    def key_by_digest(self, digest: str) -> ApiKey | None: ...
    def keys(self, account_id: str) -> list[ApiKey]: ...
    def revoke_key(self, account_id: str, key_id: str, at: int) -> bool:
        """Return whether a living key was found. ``key_id`` may be the id or the name."""
        ...

    def touch_key(self, key_id: str, at: int) -> None:
        """Note the last use; callers do so at most once a minute per key."""
        ...


class WorkerStore(Protocol):
    """Workers and their immutable versions."""

    def add(self, worker: Worker) -> None:
        """Raise ``Conflict`` when the account already has a worker of this name."""
        ...

    def get(self, worker_id: str) -> Worker | None: ...
    def by_path(self, owner: str, name: str) -> Worker | None:
        """Never one that was deleted."""
        ...

    def update(self, worker_id: str, page: WorkerPage, *, public: bool) -> None: ...
    def mark_deleted(self, worker_id: str, at: int) -> bool:
        """Take it out of every list and search; ``get`` still knows it. False when it was deleted
        before.
        """
        ...

    def free_name(self, worker_id: str) -> None:
        """Let another worker have the name of a deleted one; nothing when that is so already.

        Waits for every transaction that is adding a run of it: once this one has ended, such a
        run is there to be seen, or will see the worker deleted.
        """
        ...

    def of_account(self, account_id: str) -> list[Worker]: ...
    def own_page(
        self, account_id: str, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count, and one page, newest first, of the account's own workers that hold
        ``text`` as in ``search``, with or without a version.
        """
        ...

    def search(
        self, text: str, *, account_id: str | None, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count, and one page, newest first: public workers, and the account's own, that
        have a published version and whose slug, path (``owner/name`` or ``owner~name``), title or
        description contains ``text`` (case-insensitive, no wildcards).
        """
        ...

    def add_version(self, version: Version) -> None:
        """Store it and make it the worker's latest. Raise ``Conflict`` when the number exists."""
        ...

    def version(self, worker_id: str, number: str) -> Version | None: ...
    def versions(self, worker_id: str) -> list[Version]:
        """Newest first."""
        ...

    def set_version_state(self, worker_id: str, number: str, state: VersionState) -> None:
        """Also recomputes the worker's latest: the newest published version, or ``""``."""
        ...


class TaskStore(Protocol):
    def add(self, task: Task) -> None: ...
    def get(self, task_id: str) -> Task | None: ...
    def of_account(
        self, account_id: str, *, offset: int, limit: int, worker_id: str = "", keyword: str = ""
    ) -> tuple[int, list[Task]]:
        """Total count, and one page, newest first; of one worker, and with ``keyword`` in title
        or id (case-insensitive, no wildcards), where those are given.
        """
        ...

    def update(self, task: Task) -> bool:
        """Write title, description, version, input and time of change; False when it is gone."""
        ...

    def note_run(self, task_id: str, run_id: str) -> bool:
        """Count a run of it; False when it is gone."""
        ...

    def delete(self, task_id: str) -> None:
        """Remove it with its schedule."""
        ...


class ScheduleStore(Protocol):
    """Schedules, at most one for each task, and a record of each planned time that has come."""

    def put(self, schedule: Schedule) -> None:
        """Add it or overwrite it; whoever overwrites holds ``lock``."""
        ...

    def get(self, task_id: str) -> Schedule | None: ...
    def lock(self, task_id: str) -> Schedule | None:
        """As ``get``, and nobody else changes it until this transaction ends."""
        ...

    def of_tasks(self, task_ids: Collection[str]) -> dict[str, Schedule]:
        """By task; tasks without one are left out."""
        ...

    def in_account_zone(self, account_id: str) -> list[Schedule]:
        """Those that are on and name no zone of their own, locked."""
        ...

    def delete(self, task_id: str) -> bool:
        """Remove it with its records; False when there is none."""
        ...

    def due(self, now: int, limit: int) -> list[Schedule]:
        """Those whose next time has come, the longest due first."""
        ...

    def next_due(self) -> int | None:
        """The earliest next time of all."""
        ...

    def advance(self, before: Schedule, after: Schedule) -> bool:
        """Write what a fire changes (``enabled``, ``next_at``, ``missed``, ``last_error``,
        ``last_fired_at``) unless revision or next time are no longer those of ``before``. Of two
        servers with the same ``before`` one is told False.
        """
        ...

    def add_fire(self, fire: Fire) -> bool:
        """False when this planned time of this task has a record already."""
        ...

    def fires(self, task_id: str, *, offset: int, limit: int) -> tuple[int, list[Fire]]:
        """Total count, and one page, latest planned time first."""
        ...

    def waiting(self, limit: int) -> list[Fire]:
        """Those held by the overlap rule, oldest first."""
        ...

    def waiting_of(self, task_id: str) -> Fire | None: ...
    def settle(self, fire: Fire) -> bool:
        """Write what came of a fire that waits; False when it no longer does."""
        ...

    def forget_fires(self, before: int) -> int:
        """Remove records written before that, all but the waiting ones; return how many."""
        ...


@dataclass(frozen=True, slots=True)
class Room:
    """What a runner can still take."""

    cpus: float
    memory_mb: int
    slots: int


@dataclass(frozen=True, slots=True)
class Lease:
    """An attempt handed to a runner, with all it needs to know."""

    attempt: Attempt
    subtask: Subtask
    run: Run


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """A runner as it last reported. ``isolation`` is ``full``, ``no-limits`` or ``none``."""

    id: str
    node: str
    isolation: str
    reason: str
    cpus: float
    memory_mb: int
    heartbeat_at: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt has used so far."""

    traffic_bytes: int = 0
    cpu_ms: int = 0
    memory_peak_bytes: int = 0


class RunStore(Protocol):
    """Runs, subtasks, attempts, events, runners. Writes that decide are guarded and say whether
    they took place; no caller may assume that they did.
    """

    def add(self, run: Run, subtasks: Sequence[Subtask]) -> None: ...
    def get(self, run_id: str) -> Run | None: ...
    def lock(self, run_id: str) -> Run | None:
        """As ``get``, and nobody else changes the run or its subtasks until this transaction
        ends. Whoever decides from counts must hold this, or two last subtasks could each see the
        other one still running."""
        ...

    def page(
        self, account_id: str, filter: RunFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Run]]:
        """Total count, and one page, newest first."""
        ...

    def newest(self, account_id: str, worker_id: str | None) -> str | None:
        """The id of the account's run that was created last, of one worker or of all."""
        ...

    def move(self, run: Run, expected: RunState) -> bool:
        """Write every mutable column of ``run`` if its stored state is still ``expected``."""
        ...

    def open_of_task(self, task_id: str, other_than: str = "") -> str | None:
        """The id of a run of the task that is not over, the oldest; ``other_than`` left out."""
        ...

    def add_event(self, event: RunEvent) -> None: ...
    def events(self, run_id: str) -> list[RunEvent]: ...
    def subtasks(self, run_id: str) -> list[Subtask]: ...
    def end_subtask(self, run_id: str, ordinal: int, outcome: Outcome, err_msg: str) -> bool:
        """False when it had ended already."""
        ...

    def end_waiting_subtasks(self, run_id: str, outcome: Outcome, err_msg: str) -> int:
        """End every waiting subtask of the run; return how many."""
        ...

    def lease(self, runner_id: str, room: Room, lease_until: int) -> list[Lease]:
        """Take waiting subtasks of runs that are ready or running, oldest run first, then by
        ordinal, as far as the room reaches, and make an attempt for each (fresh id, token 1, the
        subtask becomes running). Two runners never get the same one. The first subtask that does
        not fit ends the search, so that a large run is not starved by small ones. A run that would
        begin beyond what its account's plan allows is passed over.
        """
        ...

    def attempt(self, attempt_id: str) -> Attempt | None: ...
    def attempts(self, run_id: str) -> list[Attempt]: ...
    def living_attempts(self, runner_id: str | None = None) -> list[Attempt]:
        """Attempts without an outcome, of one runner or of all."""
        ...

    def expired_attempts(self, now: int) -> list[Attempt]:
        """Living attempts whose lease has run out."""
        ...

    def renew(self, attempt_id: str, token: int, lease_until: int, usage: Usage) -> bool:
        """Extend the lease and save the counters; False when the token no longer holds."""
        ...

    def start_attempt(self, attempt_id: str, token: int, at: int) -> bool:
        """Note that the Worker's process was launched; False when the token no longer holds."""
        ...

    def end_attempt(self, attempt: Attempt) -> bool:
        """Write outcome, message, rows and usage if it lives and the token matches."""
        ...

    def hidden_attempts(self, run_id: str) -> frozenset[str]:
        """Ids of ended attempts whose outcome hides their rows."""
        ...

    def usage(self, run_id: str) -> Usage:
        """Sums over the attempts of the run; memory is the highest."""
        ...

    def delete(self, run_id: str) -> None:
        """Remove the run and all that hangs on it, except the ledger."""
        ...

    def finished_before(self, at: int, limit: int) -> list[str]:
        """Ids of terminal runs that finished before ``at``, oldest first."""
        ...

    def not_begun(self, worker_id: str, limit: int) -> list[str]:
        """Ids of the worker's runs that are ready and of which no attempt lives, oldest first."""
        ...

    def put_runner(self, runner: RunnerInfo) -> None: ...
    def runners(self, alive_since: int) -> list[RunnerInfo]: ...
    def drop_runner(self, runner_id: str) -> None: ...


class StartKeyStore(Protocol):
    """Which start was made under which key of the caller."""

    def get(self, account_id: str, key: str) -> StartRecord | None:
        """Also one that has expired and was not removed yet."""
        ...

    def claim(self, record: StartRecord, now: int) -> bool:
        """Add it unless its account has one under this key that has not expired at ``now``. A
        transaction that meets another one with the same key waits for how that ends.
        """
        ...

    def remove_expired(self, now: int, limit: int) -> int:
        """Remove at most ``limit``; return how many."""
        ...


class QueueStore(Protocol):
    """Starts that are held until somebody activates them."""

    def add(self, item: QueueItem) -> int:
        """Store it and return its number, greater than any that was given before."""
        ...

    def get(self, item_id: str) -> QueueItem | None: ...
    def numbered(self, number: int) -> QueueItem | None: ...
    def page(
        self, account_id: str, waiting: bool | None, *, offset: int, limit: int
    ) -> tuple[int, list[QueueItem]]:
        """Total count, and one page, newest first; ``waiting`` None means all."""
        ...

    def explain(self, item_id: str, reason: str) -> bool:
        """Write why it waits; False when it no longer does."""
        ...

    def end(self, item_id: str, at: int, reason: str, run_id: str = "") -> bool:
        """Let it wait no more; False when it no longer did. Of several who try one is told True."""
        ...

    def forget(self, before: int, limit: int) -> int:
        """Remove what has not been waiting since before that, at most ``limit``; say how many."""
        ...


@dataclass(frozen=True, slots=True)
class RunnerLoad:
    """What the living attempts of one runner have been given."""

    runner_id: str
    cpus: float
    memory_mb: int


class AdmissionStore(Protocol):
    """What stands between a run and its start. Whoever decides holds ``accounts.lock``."""

    def under_way(self, account_id: str) -> frozenset[str]:
        """Runs of the account that have begun and not ended, those of which an attempt is being
        put up included."""
        ...

    def open(self, account_id: str, most: int) -> int:
        """How many runs of the account have not ended, counted up to ``most``."""
        ...

    def ahead(self, run_id: str, most: int) -> int:
        """How many waiting subtasks of all older runs there are, counted up to ``most``."""
        ...

    def loads(self) -> list[RunnerLoad]: ...
    def ready(self, account_id: str, limit: int) -> list[str]:
        """Runs that have not begun, newest first."""
        ...


class ServerStore(Protocol):
    """The servers that share this state."""

    def beat(self, server_id: str, now: int) -> None:
        """Note that it lives."""
        ...

    def living(self, since: int) -> int:
        """How many have given a sign of life since then."""
        ...

    def drop(self, server_id: str) -> None: ...
    def drop_silent(self, since: int) -> None:
        """Remove those that have given no sign of life since then."""
        ...


class LedgerStore(Protocol):
    def append(self, entry: LedgerEntry) -> None:
        """Add the entry and move the account's balance, hold and traffic with it: HOLD lowers
        nothing but raises ``held_micros`` by ``-usd_micros``; RELEASE lowers it again; CREDIT and
        USAGE move balance and traffic by their signed amounts.
        """
        ...

    def entries(self, account_id: str, *, limit: int) -> list[LedgerEntry]:
        """Newest first."""
        ...

    def sums(self, account_id: str) -> tuple[int, int, int]:
        """(balance, held, traffic) as the entries add up, to check the account's own columns."""
        ...


class OutboxStore(Protocol):
    """Callbacks on their way, their tries, and the pace of each host."""

    def add(self, delivery: Delivery) -> None: ...
    def claim(self, now: int, free: dict[Standing, int], claim_until: int) -> list[Claim]:
        """Take some pending deliveries that are due, at most one for each host, and hold them
        until ``claim_until``, so that no other server sends them at the same time.

        Passed over are hosts that were claimed for less than ``PACE_MS`` ago or have ``IN_FLIGHT``
        on their way, those without a place in ``free`` (see ``places.py``), and terminal calls
        whose run has a pending running call. All of this holds over all servers.
        """
        ...

    def next_due(self, now: int, free: dict[Standing, int]) -> int | None:
        """When ``claim`` would find something; None when only the end of what is on its way can
        make a difference.
        """
        ...

    def get(self, delivery_id: str) -> Delivery | None: ...
    def lock(self, delivery_id: str) -> Delivery | None:
        """As ``get``, and nobody else changes it until this transaction ends."""
        ...

    def lock_running(self, run_id: str) -> Delivery | None:
        """The run's running call while it is pending, locked."""
        ...

    def has_terminal(self, run_id: str) -> bool:
        """Whether the run has a terminal call, in any state."""
        ...

    def save(self, delivery: Delivery) -> None:
        """Write what can change; whoever does holds ``lock``."""
        ...

    def fail_pending(self, account_id: str, receiver: str, reason: str, at: int) -> int:
        """Give up what waits for a receiver and is not on its way; return how many."""
        ...

    def set_standing(self, host: str, standing: Standing) -> None: ...
    def forget_hosts(self, idle_since: int) -> int:
        """Remove hosts that nothing waits for and nothing was sent to since; return how many."""
        ...

    def add_try(self, tried: Try) -> None:
        """Keeps the latest ``KEPT_TRIES`` of each delivery."""
        ...

    def tries_of(self, delivery_ids: Collection[str]) -> dict[str, list[Try]]:
        """By delivery, oldest first; deliveries without one are left out."""
        ...

    def of_run(self, run_id: str) -> list[Delivery]:
        """Oldest first."""
        ...

    def page(
        self, account_id: str, wanted: DeliveryFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Delivery]]:
        """Total count, and one page, newest first."""
        ...


class ReceiverStore(Protocol):
    """How the receivers of each account behave."""

    def get(self, account_id: str, receiver: str) -> Receiver | None: ...
    def lock(self, account_id: str, receiver: str) -> Receiver:
        """As ``get``, made when it is new, and nobody else changes it until this transaction
        ends.
        """
        ...

    def save(self, receiver: Receiver) -> None: ...
    def of_account(self, account_id: str) -> list[Receiver]: ...


class Transaction(Protocol):
    """One transaction over all of the state. Rings leave after the commit, never before."""

    @property
    def now(self) -> int:
        """Milliseconds since the epoch, the database's own clock where it is shared."""
        ...

    accounts: AccountStore
    workers: WorkerStore
    tasks: TaskStore
    schedules: ScheduleStore
    runs: RunStore
    start_keys: StartKeyStore
    queue: QueueStore
    admission: AdmissionStore
    servers: ServerStore
    ledger: LedgerStore
    outbox: OutboxStore
    receivers: ReceiverStore

    def ring(self, topic: str) -> None:
        """Ring the doorbell once the transaction has committed."""
        ...


class Storage(Protocol):
    """The state. ``work`` runs in a thread, may run more than once (a serialization conflict is
    retried), and so must have no effect outside the transaction.
    """

    async def read(self, work: Callable[[Transaction], T]) -> T: ...
    async def write(self, work: Callable[[Transaction], T]) -> T: ...
    async def close(self) -> None: ...


# --- results and logs ------------------------------------------------------------------------


class Results(Protocol):
    """Rows, headers and logs of all runs. Reads name the attempts to hide, because whether a
    row is visible follows from its attempt's end, which is state.
    """

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        """Store the batches with one flush to disk and say for each whether it was taken; False
        means its attempt is closed (see ``close_attempt``) and nothing of it was stored. Returns
        only when what was taken is durable. Rows get the next positions of their run, in order;
        a row with an upsert marker replaces field by field the row of the run that carries the
        same key and value, which keeps its position.
        """
        ...

    async def open_attempt(self, run_id: str, attempt_id: str) -> None:
        """Must come before the first batch of an attempt; repeating it changes nothing."""
        ...

    async def close_attempt(self, attempt_id: str) -> int:
        """Fence: from now on no batch of this attempt is taken. Returns the rows it owns."""
        ...

    async def totals(self, run_id: str, hidden: frozenset[str]) -> RunTotals: ...
    async def headers(self, run_id: str) -> list[Header]:
        """As declared at run time, merged over attempts by key, first label wins."""
        ...

    async def page(
        self, run_id: str, hidden: frozenset[str], *, offset: int, limit: int
    ) -> list[Row]:
        """Visible rows ``offset`` to ``offset + limit`` in order of position."""
        ...

    async def rows_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> list[Row]:
        """Visible rows behind ``position``: the way to walk all of them at constant cost."""
        ...

    async def rows_at(self, run_id: str, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions (at most 1,024, each once), in the order in which they are
        named, whether visible or not; a position without a row is left out."""
        ...

    async def log_tail(self, run_id: str, limit: int) -> list[LogEntry]:
        """The last entries, oldest first."""
        ...

    async def log_after(self, run_id: str, position: int, limit: int) -> list[LogEntry]: ...
    async def delete_run(self, run_id: str) -> None: ...
    async def close(self) -> None: ...


class Blobs(Protocol):
    """Immutable bytes by name. A missing name is the builtin ``FileNotFoundError`` everywhere."""

    async def put(self, name: str, data: bytes) -> None:
        """Durable and whole, or not there at all. Writing the same name again is harmless."""
        ...

    async def get(self, name: str) -> bytes: ...
    async def exists(self, name: str) -> bool: ...
    async def delete(self, name: str) -> None: ...


class Doorbell(Protocol):
    """Waking by event. A ring may be lost; whoever waits also sweeps slowly."""

    def ring(self, topic: str) -> None:
        """Never blocks, never fails the caller; callable from any thread."""
        ...

    def listen(self) -> AbstractAsyncContextManager[DoorbellEar]: ...
    def close(self) -> None: ...


class DoorbellEar(Protocol):
    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """The next topic that was rung among ``topics`` since the last call, None after
        ``timeout`` seconds. Repeated rings of one topic count once.
        """
        ...


WORK = "work"  # subtasks are waiting
STOP = "stop"  # a run wants its attempts stopped
OUTBOX = "outbox"  # a delivery is due
SCHEDULES = "schedules"  # a schedule was changed
SERVERS = "servers"  # a server has come or gone


def run_topic(run_id: str) -> str:
    """Rung when a run becomes terminal, and when it starts."""
    return f"run:{run_id}"


def output_topic(run_id: str) -> str:
    """Rung when rows or log lines of a run were stored, at most four times a second."""
    return f"output:{run_id}"


# --- carrying out ----------------------------------------------------------------------------


class Engine(Protocol):
    """Decides where and when attempts go."""

    lease_seconds: float  # how long a lease holds without renewal

    async def take(self, runner_id: str, room: Room, *, idle: bool) -> list[Lease]:
        """Lease what fits; an empty list when nothing does. An ``idle`` runner also gets one
        attempt that is larger than its whole room, since nobody else would ever take it."""
        ...


class Isolation(StrEnum):
    """full: everything runs. no-limits: the operator's own Workers. none: nothing."""

    FULL = "full"
    NO_LIMITS = "no-limits"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class IsolationReport:
    """The level that holds, one sentence why, and every check with its finding."""

    level: Isolation
    reason: str
    checks: tuple[tuple[str, bool, str], ...]  # (name, passed, what was seen)


class EnvironmentFailed(Exception):
    """The dependencies could not be installed; ``log`` is what the installer said."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class Environment:
    """A built set of dependencies, shared and read-only. ``path`` is mounted at ``/env``
    (Python) or ``/node_modules`` (Node.js); None when the language needs none.
    """

    path: Path | None
    log: str


class Environments(Protocol):
    """Builds an environment once per content and keeps it."""

    async def ensure(self, version: Version, bundle: Path) -> Environment:
        """Raise ``EnvironmentFailed``. ``bundle`` is the unpacked project."""
        ...


@dataclass(frozen=True, slots=True)
class BoxLimits:
    """Hard limits of one box. Sizes in bytes."""

    cpus: float
    memory: int
    processes: int = 128
    open_files: int = 1024
    file_size: int = 2 * 2**30
    tmp_size: int = 64 * 2**20
    work_size: int = 2 * 2**30


@dataclass(frozen=True, slots=True)
class BoxSpec:
    """What to put inside the walls."""

    name: str  # the attempt's id; also names its work folder and its cgroup
    version: Version
    bundle: Path
    environment: Environment
    limits: BoxLimits


@dataclass(frozen=True, slots=True)
class BoxExit:
    """How the Worker's main process ended. ``signal`` is 0 when it exited by itself."""

    code: int
    signal: int
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class BoxUsage:
    cpu_ms: int = 0
    memory_peak: int = 0
    work_bytes: int = 0


class SandboxFault(Exception):
    """The sandbox itself failed: ours, never the Worker's."""


class Box(Protocol):
    """The walls around one attempt, with a trusted process of ours waiting inside."""

    @property
    def listeners(self) -> dict[str, socket.socket]:
        """``sdk``, ``proxy`` and ``cdp``: listening sockets inside the box's own network
        namespace. The socket is the identity of the attempt. The receiver owns and closes them.
        """
        ...

    async def launch(self, env: dict[str, str]) -> None:
        """Turn the waiting process into the Worker. No code of its author ran before."""
        ...

    def output(self) -> AsyncIterator[tuple[str, bytes]]:
        """(``stdout`` or ``stderr``, some bytes) until both are closed. Must be drained."""
        ...

    async def apply_cpu_limit(self) -> None:
        """The cpu quota, after the boot grace."""
        ...

    async def wait(self) -> BoxExit: ...
    async def usage(self) -> BoxUsage: ...
    async def terminate(self) -> None:
        """Ask the Worker to end (SIGTERM)."""
        ...

    async def kill(self) -> None:
        """End everything inside, at once."""
        ...

    async def close(self) -> None:
        """Kill what is left, remove cgroup and work folder. Safe to repeat."""
        ...


class Sandbox(Protocol):
    async def probe(self) -> IsolationReport:
        """Put up a real box and see which walls hold."""
        ...

    async def open(self, spec: BoxSpec) -> Box:
        """Raise ``SandboxFault``."""
        ...

    async def sweep(self, living: frozenset[str]) -> list[str]:
        """Remove processes, cgroups and folders of boxes not named; return their names."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """What one attempt may do on its way out."""

    attempt_id: str
    secret: str  # user name is the attempt's id
    region: str
    allow: tuple[str, ...] = ()  # "host:port" reachable although private, for this attempt only
    limit_bytes: int | None = None  # cut off exactly here


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes through the proxy, both ways, and what became of the connections."""

    up: int = 0
    down: int = 0
    connections: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        return self.up + self.down


class Egress(Protocol):
    """The way out. Runs as a process of its own; attempts are identified by their socket.

    ``on_trip`` is set by the runner: it is called once per attempt, with the attempt's id, at
    the moment its limit is reached. It must not block.
    """

    on_trip: Callable[[str], None]

    async def open(self, listeners: Sequence[socket.socket], grant: Pass) -> None:
        """Serve the listeners until closed. The caller may close its copies afterwards.

        Raise ``Unavailable`` when the proxy does not answer, ``ValueError`` for a malformed pass.
        """
        ...

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, asked: Callable[[], None]
    ) -> None:
        """Answer every connection on the listener with 503 "this Fyke has no browser" until the
        attempt is closed, and call ``asked`` once, at the first of them. Comes after ``open``.
        The caller may close its copy afterwards.
        """
        ...

    def traffic(self, attempt_id: str) -> Traffic:
        """The counters as last heard, at most half a second old; zeros for an unknown id."""
        ...

    def tripped(self, attempt_id: str) -> bool:
        """Whether the limit was reached."""
        ...

    async def close(self, attempt_id: str) -> Traffic:
        """Cut every connection and return the final counters; zeros for an unknown id."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a callback receiver said: a status, or an error in words (then status is 0).

    ``sent`` is False when nothing left us because too many deliveries to this host were waiting;
    such a try should not count.
    """

    status: int
    error: str = ""
    sent: bool = True


class Notifier(Protocol):
    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """POST once. Never follows redirects, never reaches a private address unless allowed,
        never takes longer than 15 seconds. Does not raise for what the receiver does.
        """
        ...
