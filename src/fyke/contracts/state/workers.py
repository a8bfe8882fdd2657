"""Workers, their secrets and publishing, and the tasks and schedules that start them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fyke.model.schedule import Fire, Schedule
from fyke.model.secret import SealedSecret
from fyke.model.submission import Submission, SubmissionState
from fyke.model.task import Task
from fyke.model.upload import Upload
from fyke.model.worker import (
    SystemDefaults,
    Version,
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
        """Take it out of every list and search; ``get`` still returns it. False when it was deleted
        before.
        """
        ...

    def free_name(self, worker_id: str) -> None:
        """Make the name of a deleted worker available again; nothing when it is.

        Waits for every transaction that is adding a run of it: after this one, such a run is
        either visible, or sees the worker deleted.
        """
        ...

    def of_account(self, account_id: str) -> list[Worker]:
        """By name."""
        ...

    def own_page(
        self, account_id: str, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count, and one page, newest first, of the account's own workers that contain
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
        """Make the version visible to other accounts; recomputes the worker's newest ones."""
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


class WorkerFactStore(Protocol):
    """Figures of workers, kept up as their runs end."""

    def note_end(self, worker_id: str, verdict: str, at: int) -> None:
        """Count a run that has ended; ``verdict`` as ``facts.verdict`` gives it."""
        ...

    def of_workers(self, worker_ids: Collection[str]) -> dict[str, WorkerFacts]:
        """By worker; those of which no run has ended are left out."""
        ...

    def add_version(self, version_id: str, facts: VersionFacts) -> None: ...
    def of_versions(self, worker_id: str) -> dict[str, VersionFacts]:
        """By number of the version; those published before this was noted are left out."""
        ...


class SecretStore(Protocol):
    """The secrets that accounts keep for workers. It sees no value in the clear."""

    def of(self, account_id: str, worker_id: str) -> list[SealedSecret]:
        """Those of one account for one worker, by name."""
        ...

    def put(self, secret: SealedSecret) -> None:
        """Add it, or replace the one of the same account, worker and name."""
        ...

    def remove(self, account_id: str, worker_id: str, name: str) -> bool:
        """False when there is none."""
        ...

    def remove_of_worker(self, worker_id: str) -> None:
        """Those of all accounts."""
        ...

    def note_use(self, account_id: str, worker_id: str, names: Sequence[str], at: int) -> None:
        """Note that a run received them at ``at``; never goes back."""
        ...


class UploadStore(Protocol):
    """Projects being uploaded, each with its findings so far."""

    def add(self, upload: Upload) -> None: ...
    def get(self, upload_id: str) -> Upload | None: ...
    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Upload]]:
        """Total count, and one page, newest first."""
        ...

    def claim(self, upload_id: str, now: int, until: int) -> Upload | None:
        """Claim the work on it until then; None when it is done or claimed by another process."""
        ...

    def update(self, upload: Upload) -> bool:
        """Write all that may change; False when it is gone."""
        ...

    def delete(self, upload_id: str) -> bool: ...
    def older_than(self, at: int, limit: int) -> list[Upload]:
        """Those that were made before that, oldest first."""
        ...


class SubmissionStore(Protocol):
    """Versions proposed for all users to run. Of one worker at most one waits."""

    def add(self, submission: Submission) -> None:
        """Raise ``Conflict`` when one of this worker waits already."""
        ...

    def get(self, submission_id: str) -> Submission | None: ...
    def waiting_of(self, worker_id: str) -> Submission | None: ...
    def of_worker(self, worker_id: str, limit: int) -> list[Submission]:
        """Newest first."""
        ...

    def of_version(self, worker_id: str, number: str) -> Submission | None:
        """The newest one of a version."""
        ...

    def page(
        self, states: Collection[SubmissionState], *, offset: int, limit: int
    ) -> tuple[int, list[Submission]]:
        """Total count, and one page of all accounts: what waits oldest first, else newest first."""
        ...

    def end(self, ended: Submission) -> bool:
        """Write state, time, decider and reply if it still waits. Of two concurrent decisions one
        gets True.
        """
        ...

    def note_sample(self, submission_id: str, run_id: str) -> None: ...


class TaskStore(Protocol):
    """Saved inputs of workers."""

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
        """As ``get``, locked."""
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
        """Add it or overwrite it. A caller that overwrites has locked it."""
        ...

    def get(self, task_id: str) -> Schedule | None: ...
    def lock(self, task_id: str) -> Schedule | None:
        """As ``get``, locked."""
        ...

    def of_tasks(self, task_ids: Collection[str]) -> dict[str, Schedule]:
        """By task; tasks without one are left out."""
        ...

    def in_account_zone(self, account_id: str) -> list[Schedule]:
        """Those that are enabled and name no zone of their own, locked."""
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
        those of ``before``. Of two servers with the same ``before`` one gets False.
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
        """Total count, and one page, the next to fire first, disabled ones last."""
        ...

    def waiting(self, limit: int) -> list[Fire]:
        """Those that the overlap rule keeps waiting, oldest first."""
        ...

    def waiting_of(self, task_id: str) -> Fire | None: ...
    def settle(self, fire: Fire) -> bool:
        """Write the result of a waiting fire; False when it no longer waits."""
        ...

    def remove_fires(self, before: int) -> int:
        """Remove records written before that, all but the waiting ones; return how many."""
        ...
