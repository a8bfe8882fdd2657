"""What accounts own: users and keys, workers, tasks, schedules, and the money."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.account import Account, ApiKey, Plan, User
from fyke.model.billing import LedgerEntry, LedgerFilter
from fyke.model.schedule import Fire, Schedule
from fyke.model.task import Task
from fyke.model.worker import SystemDefaults, Version, VersionState, Worker, WorkerOrder, WorkerPage


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
    def add_user(self, user: User) -> None:
        """Raise ``Conflict`` when any account has a user of this name."""
        ...

    def user(self, user_id: str) -> User | None: ...
    def user_by_name(self, name: str) -> User | None: ...
    def users(self, account_id: str) -> list[User]: ...
    def change_user(self, user: User) -> bool:
        """Write role, state and password hash; False when it is gone."""
        ...

    def remove_user(self, user_id: str, at: int) -> bool:
        """Remove it with its sessions, links and preferences, and revoke its keys."""
        ...

    def set_time_zone(self, account_id: str, time_zone: str) -> None: ...
    def set_plan(self, account_id: str, plan: Plan) -> None: ...
    def set_caps(self, account_id: str, *, run_cap_micros: int, month_cap_micros: int) -> None: ...
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
    def allow_builds(self, worker_id: str, *, allowed: bool) -> None:
        """Whether dependencies of its versions may run code while they are installed."""
        ...

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
        self,
        text: str,
        *,
        account_id: str | None,
        offset: int,
        limit: int,
        category: int | None = None,
        order: WorkerOrder = WorkerOrder.NEW,
    ) -> tuple[int, list[Worker]]:
        """Total count, and one page in ``order``: public workers with an approved version, and
        the account's own with one to run, whose slug, path (``owner/name`` or ``owner~name``),
        title or description contains ``text`` (case-insensitive, no wildcards); of one category
        if given.
        """
        ...

    def categories(self, text: str, *, account_id: str | None) -> dict[int, int]:
        """How many workers of each category ``search`` finds; categories without any are left
        out.
        """
        ...

    def add_version(self, version: Version) -> None:
        """Store it and make it the worker's latest. Raise ``Conflict`` when the number exists."""
        ...

    def version(self, worker_id: str, number: str) -> Version | None: ...
    def versions(self, worker_id: str) -> list[Version]:
        """Newest first."""
        ...

    def approve(self, worker_id: str, number: str) -> None:
        """Let others see and run the version; recomputes the worker's newest ones."""
        ...

    def set_version_state(
        self, worker_id: str, number: str, state: VersionState, notice: str = ""
    ) -> None:
        """Also recomputes the worker's latest: the newest published version, else the newest
        deprecated one, else ``""``.
        """
        ...

    def set_defaults(self, worker_id: str, defaults: SystemDefaults) -> None:
        """Of all its versions; a publication under way takes them over or comes before."""
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

    def lock(self, task_id: str) -> Task | None:
        """As ``get``, and nobody else changes it until this transaction ends."""
        ...

    def update(self, task: Task) -> bool:
        """Write title, description, version, input, time of change and revision; False when it is
        gone.
        """
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

    def coming(self, account_id: str, limit: int) -> list[Schedule]:
        """Those of the account that have a next time, the earliest first."""
        ...

    def advance(self, before: Schedule, after: Schedule) -> bool:
        """Write what a fire changes (``enabled``, ``next_at``, ``missed``, ``last_error``,
        ``last_fired_at``, ``failures``, ``paused_at``) unless revision or next time are no longer
        those of ``before``. Of two servers with the same ``before`` one is told False.
        """
        ...

    def add_fire(self, fire: Fire) -> bool:
        """False when this planned time of this task has a record already."""
        ...

    def fires(self, task_id: str, *, offset: int, limit: int) -> tuple[int, list[Fire]]:
        """Total count, and one page, latest planned time first."""
        ...

    def last_started(self, task_id: str) -> Fire | None:
        """The latest planned time for which a run was started."""
        ...

    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Schedule]]:
        """Total count, and one page, the next to fire first, those that are off last."""
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

    def page(
        self, account_id: str, filter: LedgerFilter, after: str, limit: int
    ) -> list[LedgerEntry] | None:
        """Up to ``limit`` entries, newest first, behind the one with the id ``after`` (``""`` =
        from the newest); None when the account has no such entry.
        """
        ...

    def sums(self, account_id: str) -> tuple[int, int, int]:
        """(balance, held, traffic) as the entries add up, to check the account's own columns."""
        ...
