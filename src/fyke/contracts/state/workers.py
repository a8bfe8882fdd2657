"""Workers, their secrets, uploads and submissions, and tasks and schedules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from fyke.model.schedule import Fire, Schedule
from fyke.model.secret import SealedSecret
from fyke.model.submission import Submission, SubmissionState
from fyke.model.task import NamedTasks, Task
from fyke.model.upload import Upload
from fyke.model.worker import (
    BrowserNeed,
    EnvironmentArchive,
    SystemDefaults,
    Version,
    VersionEnvironment,
    VersionFacts,
    VersionState,
    Worker,
    WorkerFacts,
    WorkerOrder,
    WorkerPage,
)


class WorkerStore(Protocol):
    """Workers and their immutable versions."""

    def add(self, worker: Worker) -> None:
        """Add a worker; raise ``Conflict`` when the account already has one with this name."""
        ...

    def get(self, worker_id: str) -> Worker | None: ...
    def get_all(self, worker_ids: Collection[str]) -> dict[str, Worker]:
        """Those that exist, by id, in one query."""
        ...

    def by_path(self, owner: str, name: str) -> Worker | None:
        """The worker at this path, unless it is deleted."""
        ...

    def update(self, worker_id: str, page: WorkerPage, *, public: bool) -> None: ...
    def allow_builds(self, worker_id: str, *, allowed: bool) -> None:
        """Set whether dependencies of the worker's versions may run code during installation."""
        ...

    def mark_deleted(self, worker_id: str, at: int) -> bool:
        """Remove a worker from all lists and searches; ``get`` still returns it. False when it is
        already deleted.
        """
        ...

    def free_name(self, worker_id: str) -> None:
        """Make the name of a deleted worker available again. Idempotent.

        Waits for concurrent transactions that add a run of it. Afterwards each of these runs is
        visible, or its transaction sees that the worker is deleted.
        """
        ...

    def of_account(self, account_id: str) -> list[Worker]:
        """The workers of an account, sorted by name."""
        ...

    def own_page(
        self, account_id: str, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count, and one page, newest first, of the account's own workers that match ``text``
        as in ``search``, even without a version.
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
        browser: bool | None = None,
        order: WorkerOrder = WorkerOrder.NEW,
    ) -> tuple[int, list[Worker]]:
        """Total count, and one page in ``order``, of the public workers with an approved version
        and the account's own with a runnable one. ``text`` is searched in id, path (``owner/name``
        or ``owner~name``), title and description (case-insensitive, no wildcards). ``browser``:
        only those whose newest version uses one, or only the others.
        """
        ...

    def categories(
        self, text: str, *, account_id: str | None, browser: bool | None = None
    ) -> dict[int, int]:
        """The number of matches of ``search`` by category; categories without any are left out."""
        ...

    def add_version(self, version: Version) -> None:
        """Store a version and update the worker's latest; raise ``Conflict`` for a used number."""
        ...

    def version(self, worker_id: str, number: str) -> Version | None: ...
    def version_by_id(self, version_id: str) -> Version | None: ...
    def browser_needs(self, newest: Mapping[str, str]) -> dict[str, BrowserNeed]:
        """What is known of versions, by worker id. ``newest``: their numbers by worker id."""
        ...

    def set_browser(
        self, worker_id: str, number: str, need: BrowserNeed, *, declared: bool
    ) -> None:
        """Write what is known of a version that was published by an older release."""
        ...

    def versions(self, worker_id: str) -> list[Version]:
        """The versions of a worker, newest first."""
        ...

    def approve(self, worker_id: str, number: str) -> None:
        """Make the version visible to other accounts and update the worker's latest ones. It is the
        latest of other accounts unless the owner has chosen another one with ``set_current``.
        """
        ...

    def lock(self, worker_id: str) -> Worker:
        """Like ``get``, but lock it for a publication or choice; raise ``WorkerNotFound`` when it
        is deleted.
        """
        ...

    def set_current(
        self, worker_id: str, *, own: str | None = None, others: str | None = None
    ) -> None:
        """Choose the version that is the worker's latest, for its own account and for others:
        ``""`` = the newest, as ``set_version_state`` finds it, and for others the account's choice
        if that is approved; None = unchanged. A choice ends when
        its version is no longer published.
        """
        ...

    def tags(self, worker_id: str) -> dict[str, str]:
        """The numbers of versions by tag."""
        ...

    def set_tag(self, worker_id: str, tag: str, number: str) -> None:
        """Give a version a tag, which it takes from another one."""
        ...

    def remove_tag(self, worker_id: str, tag: str) -> bool:
        """False when there is no such tag."""
        ...

    def set_version_state(
        self, worker_id: str, number: str, state: VersionState, notice: str = ""
    ) -> None:
        """Write the state and update the worker's latest: the published version that
        ``set_current`` chose, else the newest published one, else the newest deprecated one, else
        ``""``.
        """
        ...

    def latest_with(self, worker_id: str, number: str, state: VersionState) -> tuple[str, str]:
        """The worker's latest, and that of other accounts, as they would be if the version had
        this state.
        """
        ...

    def set_defaults(self, worker_id: str, defaults: SystemDefaults) -> None:
        """Set the defaults of all versions of a worker. Serialised with publications."""
        ...


class WorkerFactStore(Protocol):
    """Statistics of workers, updated as their runs end, and facts about versions."""

    def note_end(self, worker_id: str, verdict: str, at: int) -> None:
        """Count an ended run; ``verdict`` is that of ``facts.verdict``."""
        ...

    def of_workers(self, worker_ids: Collection[str]) -> dict[str, WorkerFacts]:
        """The facts by worker id; workers without ended runs are left out."""
        ...

    def add_version(self, version_id: str, facts: VersionFacts) -> None: ...
    def of_versions(self, worker_id: str) -> dict[str, VersionFacts]:
        """The facts by version number; versions from before they were recorded are left out."""
        ...


class EnvironmentStore(Protocol):
    """The environments of versions. Drafts, and versions from before environments were recorded,
    have none until a run needs it.
    """

    def request(self, version_id: str) -> bool:
        """Make the preparation of an environment due, again after a failure; False when it is ready
        or due.
        """
        ...

    def get(self, version_id: str) -> VersionEnvironment | None: ...
    def of_worker(self, worker_id: str) -> dict[str, VersionEnvironment]:
        """The environments by version number."""
        ...

    def waiting(self, active: Collection[str]) -> dict[str, tuple[str, str]]:
        """Worker id and number of the first version of each account whose environment is due, by
        account id. Left out are versions of deleted workers, those that a runner of ``active``
        prepares, and those with an active attempt, which prepares the environment itself.
        """
        ...

    def claim(self, before: VersionEnvironment, runner_id: str) -> bool:
        """Let the runner prepare an environment; False when it is no longer as ``before``."""
        ...

    def end(self, after: VersionEnvironment, runner_id: str) -> bool:
        """Write the runner's result; False when the runner no longer prepares the environment."""
        ...

    def put(self, environment: VersionEnvironment) -> None:
        """Write the result of an attempt, whichever runner prepares the environment."""
        ...

    def remove_of_worker(self, worker_id: str) -> None: ...


class EnvironmentArchiveStore(Protocol):
    """The packed environments of versions, one for each, and which are wanted."""

    def get(self, version_id: str) -> EnvironmentArchive | None: ...
    def with_key(self, key: str) -> EnvironmentArchive | None:
        """One that was made for this key, of any version."""
        ...

    def want(self, version_id: str, lost: str = "") -> bool:
        """Want the archive of a version, unless it is wanted or there; also if its file ``lost``
        (a digest) is not there any more, and again some time after a failure. Return whether that
        is new.
        """
        ...

    def wanted(self, active: Collection[str]) -> tuple[str, str] | None:
        """Worker id and number of the first version whose archive is wanted. Left out are versions
        of deleted workers, those of which a runner of ``active`` makes it, and failures that were
        not wanted again.
        """
        ...

    def claim(self, version_id: str, before: str, runner_id: str) -> bool:
        """Let the runner make a wanted archive; False unless ``before`` is who makes it."""
        ...

    def end(self, after: EnvironmentArchive, runner_id: str) -> bool:
        """Write the runner's result; False when the runner no longer makes this archive."""
        ...

    def remove(self, digest: str) -> None:
        """Forget what has this digest, of all versions."""
        ...

    def remove_of_worker(self, worker_id: str) -> None: ...


class SecretStore(Protocol):
    """The secrets of accounts for workers, sealed."""

    def of(self, account_id: str, worker_id: str) -> list[SealedSecret]:
        """Secrets of one account for one worker, by name."""
        ...

    def put(self, secret: SealedSecret) -> None:
        """Add a secret, or replace the one with the same account, worker and name."""
        ...

    def remove(self, account_id: str, worker_id: str, name: str) -> bool:
        """Remove a secret; False when there is none."""
        ...

    def remove_of_worker(self, worker_id: str) -> None:
        """Remove the secrets of all accounts for a worker."""
        ...

    def note_use(self, account_id: str, worker_id: str, names: Sequence[str], at: int) -> None:
        """Write that a run received the secrets at ``at``, unless a later use is stored."""
        ...


class UploadStore(Protocol):
    """Uploads and their findings."""

    def add(self, upload: Upload) -> None: ...
    def get(self, upload_id: str) -> Upload | None: ...
    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Upload]]:
        """Total count, and one page, newest first."""
        ...

    def claim(self, upload_id: str, now: int, until: int) -> Upload | None:
        """Claim the checks of an upload until ``until``; None when they are done or another process
        has claimed them.
        """
        ...

    def update(self, upload: Upload) -> bool:
        """Write the members that may change; False when it does not exist."""
        ...

    def delete(self, upload_id: str) -> bool: ...
    def older_than(self, at: int, limit: int) -> list[Upload]:
        """Uploads created before ``at``, oldest first."""
        ...


class SubmissionStore(Protocol):
    """Submissions. At most one per worker waits."""

    def add(self, submission: Submission) -> None:
        """Add a submission; raise ``Conflict`` when one of the same worker waits."""
        ...

    def get(self, submission_id: str) -> Submission | None: ...
    def waiting_of(self, worker_id: str) -> Submission | None: ...
    def of_worker(self, worker_id: str, limit: int) -> list[Submission]:
        """The submissions of a worker, newest first."""
        ...

    def of_version(self, worker_id: str, number: str) -> Submission | None:
        """The newest submission of a version."""
        ...

    def page(
        self, states: Collection[SubmissionState], *, offset: int, limit: int
    ) -> tuple[int, list[Submission]]:
        """Total count, and one page of all accounts; waiting ones oldest first, others newest
        first.
        """
        ...

    def end(self, ended: Submission) -> bool:
        """Write the decision if it still waits. Only one of concurrent callers gets True."""
        ...

    def note_sample(self, submission_id: str, run_id: str) -> None: ...


class TaskStore(Protocol):
    """Saved inputs of workers."""

    def add(self, task: Task) -> None: ...
    def get(self, task_id: str) -> Task | None: ...
    def get_all(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Those that exist, by id, in one query."""
        ...

    def of_account(
        self,
        account_id: str,
        *,
        offset: int,
        limit: int,
        worker_id: str = "",
        keyword: str = "",
        versions: Collection[str] = (),
    ) -> tuple[int, list[Task]]:
        """Total count, and one page, newest first; filtered by ``worker_id`` and ``keyword`` unless
        they are empty. ``keyword`` is searched in title and id (case-insensitive, no wildcards).
        ``versions``: only those that name one of these versions or tags; ``""`` is none.
        """
        ...

    def by_version(
        self, account_id: str, worker_id: str, versions: Collection[str], limit: int
    ) -> dict[str, NamedTasks]:
        """The account's tasks of a worker by the version or tag that they name, each with the
        titles of ``limit``; without those that no task names.
        """
        ...

    def lock(self, task_id: str) -> Task | None:
        """Like ``get``, but lock it."""
        ...

    def update(self, task: Task) -> bool:
        """Write title, description, version, input, time of change and revision; False when it
        does not exist.
        """
        ...

    def note_run(self, task_id: str, run_id: str) -> bool:
        """Count a run of a task; False when the task does not exist."""
        ...

    def delete(self, task_id: str) -> None:
        """Remove a task with its schedule."""
        ...


class ScheduleStore(Protocol):
    """Schedules, at most one per task, and records of their past planned times."""

    def put(self, schedule: Schedule) -> None:
        """Add or replace a schedule. A caller that replaces one has locked it."""
        ...

    def get(self, task_id: str) -> Schedule | None: ...
    def lock(self, task_id: str) -> Schedule | None:
        """Like ``get``, but lock it."""
        ...

    def of_tasks(self, task_ids: Collection[str]) -> dict[str, Schedule]:
        """The schedules by task id; tasks without a schedule are left out."""
        ...

    def in_account_zone(self, account_id: str) -> list[Schedule]:
        """Enabled schedules without a time zone, locked."""
        ...

    def delete(self, task_id: str) -> bool:
        """Remove the schedule with its records; False when there is none."""
        ...

    def due(self, now: int, limit: int) -> list[Schedule]:
        """Schedules whose next time has passed, longest overdue first."""
        ...

    def next_due(self) -> int | None:
        """The earliest next time of all schedules."""
        ...

    def coming(self, account_id: str, limit: int) -> list[Schedule]:
        """Schedules of the account with a next time, earliest first."""
        ...

    def advance(self, before: Schedule, after: Schedule) -> bool:
        """Write the members that a fire changes (``enabled``, ``next_at``, ``missed``,
        ``last_error``, ``last_fired_at``, ``failures``, ``paused_at``) if revision and next time
        are still those of ``before``. Of several servers with the same ``before`` one gets True.
        """
        ...

    def add_fire(self, fire: Fire) -> bool:
        """Add a record; False when this planned time of the task already has one."""
        ...

    def fires(self, task_id: str, *, offset: int, limit: int) -> tuple[int, list[Fire]]:
        """Total count, and one page, latest planned time first."""
        ...

    def last_started(self, task_id: str) -> Fire | None:
        """The latest planned time for which a run was started."""
        ...

    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Schedule]]:
        """Total count, and one page, the next to fire first, disabled ones last."""
        ...

    def waiting(self, limit: int) -> list[Fire]:
        """Fires that wait because of the overlap policy, oldest first."""
        ...

    def waiting_of(self, task_id: str) -> Fire | None: ...
    def settle(self, fire: Fire) -> bool:
        """Write the result of a waiting fire; False when it no longer waits."""
        ...

    def remove_fires(self, before: int) -> int:
        """Remove records written before ``before``, except waiting ones; return how many."""
        ...
