"""Runs from start to end, their admission and their lists, and runners."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from fyke.model.attempt import AttemptEnd
from fyke.model.browser import BrowserOffer
from fyke.model.placement import ANYTHING, DEFAULT_POOL, Placement, PoolDemand
from fyke.model.queue import QueuedStart
from fyke.model.run import (
    Attempt,
    AttemptKey,
    End,
    PastRun,
    Run,
    RunEvent,
    RunFilter,
    RunState,
    StartRecord,
    Subtask,
)
from fyke.model.run_list import (
    AttemptPoint,
    ListCursor,
    ListWalk,
    RunLine,
    RunPoint,
    RunSearch,
    RunsOf,
    RunsOverTime,
    TimeSteps,
)
from fyke.model.runner import (
    AttemptUsage,
    Capacity,
    Lease,
    Renewal,
    Renewed,
    RunnerInfo,
    RunnerLoad,
)
from fyke.reasons import Reason, ReasonCode


class RunStore(Protocol):
    """Runs, their subtasks, attempts and events, and runners."""

    def add(self, run: Run, subtasks: Sequence[Subtask]) -> None: ...
    def get(self, run_id: str) -> Run | None: ...
    def get_all(self, run_ids: Collection[str]) -> dict[str, Run]:
        """Those that exist, by id, in one query."""
        ...

    def lock(self, run_id: str) -> Run | None:
        """Like ``get``, but lock it and its subtasks. Needed before a decision based on counts:
        otherwise each of the last two subtasks could see the other one still running.
        """
        ...

    def lock_if_free(self, run_id: str) -> bool:
        """Lock it as ``lock`` does, unless another transaction has locked it; whether it did."""
        ...

    def lock_all(self, run_ids: Collection[str]) -> list[Run]:
        """Like ``lock`` for several runs; those that exist, sorted by id."""
        ...

    def page(
        self, account_id: str, filter: RunFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Run]]:
        """Total count, and one page, newest first."""
        ...

    def newest(self, account_id: str, worker_id: str | None) -> str | None:
        """The id of the last created run of the account, of one worker or of all."""
        ...

    def move(self, run: Run, expected: RunState) -> bool:
        """Write all mutable members of ``run`` if its stored state is still ``expected``."""
        ...

    def reserve_browser(self, run: Run) -> None:
        """Write the browser's limits, the reserved amount and its bound; the caller has locked the
        run.
        """
        ...

    def open_of_task(self, task_id: str, other_than: str = "") -> str | None:
        """The id of the oldest run of the task that has not ended, except ``other_than``."""
        ...

    def add_event(self, event: RunEvent) -> None: ...
    def events(self, run_id: str) -> list[RunEvent]:
        """The events in the order in which they were added."""
        ...

    def ordinals_in_events(self, run_id: str) -> dict[str, int]:
        """The ordinals of the subtasks that events of the run name, by their numbers."""
        ...

    def subtasks(self, run_id: str) -> list[Subtask]:
        """All subtasks, sorted by ordinal."""
        ...

    def subtask_page(self, run_id: str, *, offset: int, limit: int) -> list[Subtask]:
        """One page of the subtasks, sorted by ordinal."""
        ...

    def count_subtasks(self, run_id: str, reason: ReasonCode, param: str = "") -> int:
        """How many subtasks of a run ended for this reason; with ``param``, only those whose reason
        has that parameter.
        """
        ...

    def end_subtask(self, run_id: str, ordinal: int, end: End) -> bool:
        """End a subtask; False when it has already ended."""
        ...

    def end_waiting_subtasks(self, run_id: str, end: End) -> int:
        """End every waiting subtask of the run; return how many."""
        ...

    def subtasks_left(self, run_id: str) -> int:
        """The number of subtasks of an active run that have not ended, from a counter."""
        ...

    def lease(
        self,
        runner_id: str,
        capacity: Capacity,
        lease_until: int,
        *,
        node: str = "",
        placement: Placement = ANYTHING,
        spread: bool = False,
        environments: Collection[str] = (),
    ) -> list[Lease]:
        """Lease waiting subtasks of ready and running runs that fit into ``capacity``, and that a
        runner with this ``placement`` takes, by run, the oldest first, then by ordinal. Each
        becomes running and gets an attempt with a new id and token 1. Two runners never get the
        same subtask. The first subtask that does not fit ends the search, so that small runs do not
        starve a large one. A run that cannot start because of its account's plan is skipped, and so
        is a returned subtask before its time, and one that is larger than the ``total`` capacity,
        if another active runner of the pool is large enough. With ``spread`` other runners of the
        pool get their share, see ``domain.runs.spread``, and new subtasks whose environment is not
        among ``environments`` are left to those that have it, see ``domain.runs.affinity``. The
        attempts are on the machine ``node``.
        """
        ...

    @property
    def took_all(self) -> bool:
        """Whether the latest ``lease`` of this transaction has taken all that waits and fits, so
        that another one would find nothing.
        """
        ...

    @property
    def left_none(self) -> bool:
        """Whether nothing waits, apart from what the latest ``lease`` of this transaction has
        taken, that a runner with this placement and these browsers may run, whatever room it has.
        """
        ...

    @property
    def left_ms(self) -> int:
        """After how long the first subtask is for all that the latest ``lease`` of this transaction
        has left to machines with its environment; 0 when it has left none.
        """
        ...

    def has_startable(self, offer: BrowserOffer | None, placement: Placement = ANYTHING) -> bool:
        """Whether a subtask waits that ``lease`` would return to a runner with enough capacity,
        this placement and this offer of browsers; None for one that takes no run that requires a
        browser.
        """
        ...

    def attempt(self, attempt_id: str) -> Attempt | None: ...
    def attempts(self, run_id: str) -> list[Attempt]:
        """The attempts, sorted by subtask and then by time."""
        ...

    def attempts_between(
        self, run_id: str, first: int, last: int, limit: int | None = None
    ) -> list[Attempt]:
        """Attempts of the subtasks with ordinals ``first`` to ``last``, in the same order, at most
        ``limit``.
        """
        ...

    def nodes_of(self, run_id: str) -> list[str]:
        """The machines of the run's attempts as far as they are known, by name."""
        ...

    def active_by_runner(self) -> dict[str, int]:
        """How many active attempts each runner has, by its id; those without any are left out."""
        ...

    def runners_to_stop(self) -> frozenset[str]:
        """The runners with active attempts of runs that are being stopped."""
        ...

    def has_started(self, run_id: str) -> bool:
        """Whether an attempt was started and not returned, ended or not."""
        ...

    def active_attempts(self, runner_id: str | None = None) -> list[Attempt]:
        """Attempts without an outcome, of one runner or of all."""
        ...

    def leases(self) -> dict[str, int]:
        """``lease_until`` of every active attempt, by its id."""
        ...

    def attempts_of(self, run_ids: Collection[str]) -> dict[str, list[Attempt]]:
        """The attempts of each run, in the same order; a run without any is left out."""
        ...

    def renew(self, renewals: Sequence[Renewal], lease_ms: int) -> Renewed:
        """Extend the leases to ``lease_ms`` from now, and write the usages of different attempts,
        where the token is valid; the others are not changed. The runs are read without a lock.
        """
        ...

    def take_over(self, attempt_id: str, lease_until: int) -> bool:
        """Give an active attempt the next token, so that its runner can no longer change it; False
        when its lease does not end at ``lease_until``.
        """
        ...

    def start_attempt(self, key: AttemptKey, at: int) -> bool:
        """Write when the Worker's process was launched, unless that is known; False when the
        attempt has ended or the key is not its own.
        """
        ...

    def end_attempt(self, key: AttemptKey, ended: AttemptEnd, rows: int, at: int) -> bool:
        """Write outcome, message, rows, usage and ``finished_at``; False when the attempt has ended
        or the key is not its own.
        """
        ...

    def return_attempt(
        self, key: AttemptKey, message: str, reason: Reason, at: int, *, unstarted_only: bool
    ) -> bool:
        """End the attempt with a message and its reason, as one that was never started; False when
        it has ended, the key is not its own, or it was started and ``unstarted_only`` is set.
        """
        ...

    def return_subtask(self, run_id: str, ordinal: int, not_before: int) -> None:
        """Let a running subtask wait again; it is not leased before ``not_before``."""
        ...

    def hidden_attempts(self, run_id: str) -> frozenset[str]:
        """Ids of the ended attempts whose rows are hidden because of their outcome, or replaced."""
        ...

    def hidden_by_run(self, run_ids: Collection[str]) -> dict[str, frozenset[str]]:
        """The same for several runs; one without any attempt, hidden or not, is left out."""
        ...

    def replaced_attempts(self, run_id: str) -> frozenset[str]:
        """Ids of the attempts whose rows are replaced by those of another attempt."""
        ...

    def set_replaced(self, attempt_id: str, replaced: bool) -> None:
        """Write whether the rows of an attempt are replaced."""
        ...

    def known_attempts(self, attempt_ids: Sequence[str]) -> frozenset[str]:
        """The ids among ``attempt_ids`` that belong to an attempt."""
        ...

    def usage(self, run_id: str) -> AttemptUsage:
        """Usage of all attempts of the run: sums, and the highest memory peak."""
        ...

    def past_runs(self, account_id: str, worker_id: str, within: int) -> list[PastRun]:
        """Of the account's last ``within`` runs of the worker, those that succeeded or reached
        their time limit, newest first.
        """
        ...

    def delete(self, run_id: str) -> None:
        """Remove the run and all that refers to it, except ledger entries."""
        ...

    def finished_before(self, at: int, limit: int) -> list[str]:
        """Ids of terminal runs that finished before ``at``, oldest first."""
        ...

    def finished_after(
        self, last: tuple[int, str], before: int, limit: int
    ) -> list[tuple[int, str]]:
        """Time and id of terminal runs that finished before ``before`` and come after ``last`` in
        this order.
        """
        ...

    def not_started(self, worker_id: str, limit: int) -> list[str]:
        """Ids of the worker's ready runs without an active attempt, oldest first."""
        ...

    def put_runner(self, runner: RunnerInfo) -> tuple[int, int]:
        """Write what a runner reports; return how many other active runners of its pool take
        attempts, and on how many other machines there are active runners.
        """
        ...

    def has_runner(self, runner_id: str, active_since: int) -> bool:
        """Whether this runner has a heartbeat since ``active_since``."""
        ...

    def runners(self, active_since: int) -> list[RunnerInfo]:
        """Runners with a heartbeat since ``active_since``."""
        ...

    def runners_of_place(self, place: str) -> list[str]:
        """The ids of all runners of a place, active or not."""
        ...

    def drop_runner(self, runner_id: str) -> None: ...
    def drop_earlier_runners(
        self, kept: str, place: str, node: str, *, silent_before: int, unused_before: int
    ) -> None:
        """Drop all runners but ``kept`` of this place, those of this machine without a heartbeat
        since ``silent_before``, and any without one since ``unused_before``.
        """
        ...

    def site_uses(self, active_since: int) -> list[tuple[str, str, str]]:
        """Of runners with a heartbeat since ``active_since``: id, machine, and the text of
        ``put_site_uses``, "" without one.
        """
        ...

    def put_site_uses(self, uses: Mapping[str, str]) -> None:
        """Store a text for each of these runners, by id, in one statement; unknown ones are
        ignored.
        """
        ...


class StartKeyStore(Protocol):
    """Start keys and the starts that belong to them."""

    def get(self, account_id: str, key: str) -> StartRecord | None:
        """The record of a key, even an expired one that was not removed yet."""
        ...

    def claim(self, record: StartRecord, now: int) -> bool:
        """Add a record; False when the account has an unexpired record with this key. Waits for the
        end of a concurrent transaction with the same key.
        """
        ...

    def remove_expired(self, now: int, limit: int) -> int:
        """Remove at most ``limit`` records; return how many."""
        ...


class QueueStore(Protocol):
    """The run queue."""

    def add(self, item: QueuedStart) -> int:
        """Store an item; return its new number, which is greater than all earlier ones."""
        ...

    def get(self, item_id: str) -> QueuedStart | None: ...
    def by_number(self, number: int) -> QueuedStart | None: ...
    def page(
        self,
        account_id: str,
        waiting: bool | None,
        *,
        offset: int,
        limit: int,
        oldest_first: bool = False,
    ) -> tuple[int, list[QueuedStart]]:
        """Total count, and one page, newest first by default; ``waiting`` None means all."""
        ...

    def explain(self, item_id: str, reason: Reason | None) -> bool:
        """Write why an item waits; False when it no longer waits."""
        ...

    def end(self, item_id: str, at: int, reason: Reason, run_id: str = "") -> bool:
        """End the wait of an item. Only one of several concurrent callers gets True."""
        ...

    def remove_ended(self, before: int, limit: int) -> int:
        """Remove at most ``limit`` items that ended before ``before``; return how many."""
        ...


class AdmissionStore(Protocol):
    """The facts for admitting a run. The caller has taken ``accounts.lock``."""

    def under_way(self, account_id: str) -> frozenset[str]:
        """Ids of the account's runs that have started and not ended, or have an active attempt."""
        ...

    def count_open(self, account_id: str, limit: int) -> int:
        """The number of the account's runs that have not ended, counted up to ``limit``."""
        ...

    def largest_hold(self, account_id: str, *, besides: str) -> tuple[str, int] | None:
        """The run of the account, other than ``besides``, that has not ended and for which most is
        held: its id and the amount in micros. None when nothing is held.
        """
        ...

    def count_ahead(
        self, run_id: str, limit: int, *, pool: str = DEFAULT_POOL, placeless: bool = False
    ) -> int:
        """The number of waiting subtasks of all older runs of the pool, counted up to ``limit``;
        ``placeless``: only of those that need no place for a browser.
        """
        ...

    def counts_ahead(
        self, run_ids: Sequence[str], limit: int, *, pool: str, placeless: bool = False
    ) -> dict[str, int]:
        """``count_ahead`` of several runs, in one query."""
        ...

    def loads(self, runner_ids: Collection[str] | None = None) -> list[RunnerLoad]:
        """Those of the runners with active attempts; only of these runners, if they are named."""
        ...

    def loads_by_worker(self, account_id: str) -> dict[str, list[RunnerLoad]]:
        """Of the account's active attempts, by the id of the Worker."""
        ...

    def demand(self) -> list[PoolDemand]:
        """The pools that are asked for something, by name."""
        ...

    def ready(self, account_id: str, limit: int) -> list[str]:
        """Ids of runs that have not started, newest first."""
        ...


class RunListStore(Protocol):
    """Lists of an account's runs, without their inputs."""

    def walk(
        self,
        account_id: str,
        search: RunSearch,
        start: ListCursor | None,
        *,
        limit: int,
        newer: bool = False,
        enough: int | None = None,
    ) -> ListWalk:
        """Up to ``limit`` matching runs older than ``start`` (None = from the newest), newest
        first; with ``newer`` those created after it, oldest first. One call scans at most
        ``SCAN_LIMIT`` runs (``ERROR_SCAN_LIMIT`` for a search in messages), and once ``enough``
        are found at most ``COUNT_SCAN_LIMIT``; if it stops there, ``stopped`` of the result is the
        last scanned run.
        """
        ...

    def total(self, account_id: str, search: RunSearch) -> int | None:
        """The number of matches; None when no counter exists for this search."""
        ...

    def lines(self, account_id: str, run_ids: Collection[str]) -> dict[str, RunLine]:
        """The lines by run id; deleted runs and runs of other accounts are left out."""
        ...

    def last_runs(
        self, account_id: str, of: RunsOf, values: Collection[str], limit: int
    ) -> dict[str, list[RunPoint]]:
        """The last ``limit`` runs of each worker or task, oldest first; those without runs are left
        out. One statement for all. Of ``RunsOf.ACCOUNT``, the only value is the account.
        """
        ...

    def last_attempts(self, runs: int, limit: int) -> dict[str, list[AttemptPoint]]:
        """By the name of the machine its last ``limit`` ended attempts, oldest first: of the last
        ``runs`` ended runs of all accounts, without runs that have more subtasks than these.
        """
        ...

    def over_time(
        self, account_id: str, search: RunSearch, steps: TimeSteps, most: int
    ) -> RunsOverTime:
        """The runs that match, in steps of time instead of the search's own times. Of the runs in
        these steps, only the newest ``most`` are looked at. ``error`` of the search must be empty.
        """
        ...

    def recent_inputs(self, account_id: str, worker_id: str, limit: int) -> list[str]:
        """Ids of the account's newest runs of a worker with different inputs, newest first. Runs
        that a schedule started are left out; only the newest runs are searched. Large inputs count
        as different.
        """
        ...

    def workers(self, account_id: str) -> list[str]:
        """Ids of the workers of the account's runs."""
        ...

    def recent_workers(self, account_id: str, runs: int) -> list[str]:
        """Ids of the workers of the account's newest ``runs`` runs, most recently used first."""
        ...

    def states_since(self, account_id: str, created_from: int) -> dict[RunState, int]:
        """The number of runs since ``created_from`` by state; states without runs are left out."""
        ...

    def empty_since(self, account_id: str, created_from: int, limit: int) -> int:
        """How many of the last ``limit`` succeeded runs since ``created_from`` have no rows."""
        ...

    def states(self, account_id: str) -> dict[RunState, int]:
        """The number of all runs by state; states without runs are left out."""
        ...
