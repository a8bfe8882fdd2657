"""Runs from start to end, which of them may start, and the runners and servers around them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fyke.contracts.egress import SiteTraffic
from fyke.model.queue import QueuedStart
from fyke.model.run import (
    Attempt,
    End,
    PastRun,
    Run,
    RunEvent,
    RunFilter,
    RunState,
    SampleSpan,
    Share,
    StartRecord,
    Subtask,
    UsageSample,
)
from fyke.model.run_list import ListCursor, ListWalk, RunLine, RunSearch
from fyke.model.runner import AttemptUsage, Capacity, Lease, RunnerInfo, RunnerLoad
from fyke.reasons import Reason


class RunStore(Protocol):
    """Runs, subtasks, attempts, events, runners."""

    def add(self, run: Run, subtasks: Sequence[Subtask]) -> None: ...
    def get(self, run_id: str) -> Run | None: ...
    def lock(self, run_id: str) -> Run | None:
        """As ``get``, locked with its subtasks. A caller that decides from counts needs it, or two
        last subtasks could each see the other one still running.
        """
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
    def events(self, run_id: str) -> list[RunEvent]:
        """In the order of adding."""
        ...

    def subtasks(self, run_id: str) -> list[Subtask]:
        """By ordinal."""
        ...

    def subtask_page(self, run_id: str, *, offset: int, limit: int) -> list[Subtask]:
        """By ordinal."""
        ...

    def end_subtask(self, run_id: str, ordinal: int, end: End) -> bool:
        """False when it had ended before."""
        ...

    def end_waiting_subtasks(self, run_id: str, end: End) -> int:
        """End every waiting subtask of the run; return how many."""
        ...

    def lease(self, runner_id: str, room: Capacity, lease_until: int) -> list[Lease]:
        """Take waiting subtasks of runs that are ready or running, oldest run first, then by
        ordinal, as far as the capacity goes, and make an attempt for each (fresh id, token 1, the
        subtask becomes running). Two runners never get the same one. The first subtask that does
        not fit ends the search, so that a large run is not starved by small ones. A run that
        its account's plan does not let start is skipped.
        """
        ...

    def attempt(self, attempt_id: str) -> Attempt | None: ...
    def attempts(self, run_id: str) -> list[Attempt]:
        """By subtask, then in order of time."""
        ...

    def attempts_between(self, run_id: str, first: int, last: int) -> list[Attempt]:
        """Those of the subtasks from ordinal ``first`` to ``last``, in the same order."""
        ...

    def active_attempts(self, runner_id: str | None = None) -> list[Attempt]:
        """Attempts without an outcome, of one runner or of all."""
        ...

    def expired_attempts(self, now: int) -> list[Attempt]:
        """Living attempts whose lease has run out, the longest expired first."""
        ...

    def renew(self, attempt_id: str, token: int, lease_until: int, usage: AttemptUsage) -> bool:
        """Extend the lease and save the counters; False when the token is no longer valid."""
        ...

    def start_attempt(self, attempt_id: str, token: int, at: int) -> bool:
        """Note that the Worker's process was launched; False when the token is no longer valid."""
        ...

    def end_attempt(self, attempt: Attempt) -> bool:
        """Write outcome, message, rows, usage and ``finished_at`` if it lives and the token
        matches.
        """
        ...

    def hidden_attempts(self, run_id: str) -> frozenset[str]:
        """Ids of ended attempts whose outcome hides their rows."""
        ...

    def usage(self, run_id: str) -> AttemptUsage:
        """Sums over the attempts of the run; memory is the highest."""
        ...

    def past_runs(self, account_id: str, worker_id: str, within: int) -> list[PastRun]:
        """Those among the account's last ``within`` runs of the worker that succeeded or reached
        their time limit, newest first.
        """
        ...

    def delete(self, run_id: str) -> None:
        """Remove the run and all that refers to it, except the ledger."""
        ...

    def finished_before(self, at: int, limit: int) -> list[str]:
        """Ids of terminal runs that finished before ``at``, oldest first."""
        ...

    def not_started(self, worker_id: str, limit: int) -> list[str]:
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
    """Starts that wait in the run queue until they are activated."""

    def add(self, item: QueuedStart) -> int:
        """Store it and return its number, greater than any that was given before."""
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
        """Total count, and one page, newest first unless asked otherwise; ``waiting`` None means
        all.
        """
        ...

    def explain(self, item_id: str, reason: Reason | None) -> bool:
        """Write why it waits; False when it no longer does."""
        ...

    def end(self, item_id: str, at: int, reason: Reason, run_id: str = "") -> bool:
        """End its waiting. Of several concurrent callers one gets True."""
        ...

    def remove_ended(self, before: int, limit: int) -> int:
        """Remove items that stopped waiting before that, at most ``limit``; return how many."""
        ...


class AdmissionStore(Protocol):
    """What a decision about starting a run needs. Its caller has taken ``accounts.lock``."""

    def under_way(self, account_id: str) -> frozenset[str]:
        """Runs of the account that have started and not ended, or of which an attempt is being
        prepared.
        """
        ...

    def open(self, account_id: str, most: int) -> int:
        """How many runs of the account have not ended, counted up to ``most``."""
        ...

    def ahead(self, run_id: str, most: int) -> int:
        """How many waiting subtasks of all older runs there are, counted up to ``most``."""
        ...

    def loads(self) -> list[RunnerLoad]: ...
    def ready(self, account_id: str, limit: int) -> list[str]:
        """Runs that have not started, newest first."""
        ...


class RunListStore(Protocol):
    """Reading runs of one account without their inputs."""

    def walk(
        self,
        account_id: str,
        search: RunSearch,
        start: ListCursor | None,
        *,
        limit: int,
        newer: bool = False,
    ) -> ListWalk:
        """Up to ``limit`` runs older than ``start`` (None = from the newest), newest first; with
        ``newer`` those that were created after it, oldest first. One call scans at most
        ``SCAN_LIMIT`` runs (``ERROR_SCAN_LIMIT`` for a search in messages). When it stops there,
        ``stopped`` of the result says where.
        """
        ...

    def total(self, account_id: str, search: RunSearch) -> int | None:
        """The number of matches; None when there is no counter for this search."""
        ...

    def lines(self, account_id: str, run_ids: Collection[str]) -> dict[str, RunLine]:
        """By id; deleted runs and those of other accounts are left out."""
        ...

    def workers(self, account_id: str) -> list[str]:
        """Ids of the workers of the account's runs."""
        ...

    def recent_workers(self, account_id: str, runs: int) -> list[str]:
        """Ids of the workers of the account's newest ``runs`` runs, last used first."""
        ...

    def states_since(self, account_id: str, created_from: int) -> dict[RunState, int]:
        """How many runs that were created since then are in each state; others are left out."""
        ...

    def states(self, account_id: str) -> dict[RunState, int]:
        """How many runs of all time are in each state; others are left out."""
        ...


class SampleStore(Protocol):
    """Points of the curve of what runs use. A caller that adds has taken ``runs.lock``."""

    def span(self, run_id: str) -> SampleSpan: ...
    def measure(self, run_id: str, at: int) -> UsageSample:
        """What the attempts of the run have used, as last reported."""
        ...

    def add(self, sample: UsageSample) -> None: ...
    def thin(self, run_id: str) -> None:
        """Remove every second point, never the first."""
        ...

    def of_run(self, run_id: str) -> list[UsageSample]:
        """In order of time."""
        ...


class SiteStore(Protocol):
    """Traffic of runs by site; see ``domain.runs.sites``, which adds it up."""

    def report(self, attempt_id: str, run_id: str, sites: tuple[SiteTraffic, ...]) -> None:
        """The traffic of a living attempt so far; replaces its earlier report."""
        ...

    def take(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        """Remove and return what an attempt reported last; empty when there is none."""
        ...

    def reported(self, run_id: str) -> list[tuple[SiteTraffic, ...]]:
        """What was reported and not taken yet, by attempt."""
        ...

    def put(self, run_id: str, site: SiteTraffic) -> None:
        """Write the sum of one site. The caller has taken ``runs.lock``."""
        ...

    def of_run(self, run_id: str) -> tuple[SiteTraffic, ...]:
        """The sums that were put, by domain."""
        ...


class ShareStore(Protocol):
    """Links that show one run to people without an account."""

    def add(self, share: Share) -> None: ...
    def get(self, share_id: str) -> Share | None: ...
    def of_run(self, run_id: str) -> list[Share]:
        """The newest first."""
        ...

    def revoke(self, share_id: str, at: int) -> bool:
        """False when it had been revoked before."""
        ...


class ServerStore(Protocol):
    """The servers that share this state."""

    def heartbeat(self, server_id: str, now: int) -> None:
        """Note that it is alive."""
        ...

    def count_active(self, since: int) -> int:
        """How many have sent a heartbeat since then."""
        ...

    def drop(self, server_id: str) -> None: ...
    def drop_silent(self, since: int) -> None:
        """Remove those without a heartbeat since then."""
        ...


class InstallationStore(Protocol):
    """Questions across all accounts."""

    def removable(self, before: int, most: int) -> tuple[int, int, int]:
        """How many runs ended before that, counted up to ``most``, and when the first and the last
        of those did (0 without any).
        """
        ...

    def runs(self) -> int:
        """How many there are, of all accounts."""
        ...
