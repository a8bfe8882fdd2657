"""Writing a worker and its next version: the transaction behind every publication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import Transaction
from fyke.domain.workers.model import (
    Project,
    SystemDefaults,
    Version,
    VersionState,
    Worker,
    WorkerPage,
)
from fyke.domain.workers.naming import next_number
from fyke.domain.workers.page import PageWish
from fyke.errors import WorkerNotFound
from fyke.kit.clock import Clock
from fyke.kit.ids import new_ulid


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a project is to be published, and what was said about its worker.

    ``worker_id`` is that of a worker which must exist; else the caller's worker ``name``, which
    is made when it does not. ``public`` None = as it is.
    """

    name: str
    worker_id: str = ""
    page: PageWish = field(default_factory=PageWish)
    public: bool | None = None


def publication(
    caller: Caller, project: Project, wish: Wish, clock: Clock
) -> Callable[[Transaction], tuple[Worker, Version]]:
    """Return the transaction that writes the worker and its next version.

    The same content as the latest version's is that version. Raise ``Conflict`` when another
    publication was faster, ``WorkerNotFound`` when the worker is gone.
    """

    def work(tx: Transaction) -> tuple[Worker, Version]:
        worker = _target(tx, caller, wish)
        if worker is None:
            worker = _new_worker(caller, project, wish, clock.now_ms())
            tx.workers.add(worker)
        else:
            worker = _changed(worker, project, wish)
            tx.workers.update(worker.id, worker.page, public=worker.public)
            latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            if latest is not None and latest.digest == project.digest:
                return worker, latest
        numbers = [version.number for version in tx.workers.versions(worker.id)]
        version = _new_version(worker, project, next_number(numbers), clock.now_ms())
        tx.workers.add_version(version)
        return replace(worker, latest=version.number), version

    return work


def _target(tx: Transaction, caller: Caller, wish: Wish) -> Worker | None:
    if not wish.worker_id:
        return tx.workers.by_path(caller.account_name, wish.name)
    worker = tx.workers.get(wish.worker_id)
    if worker is None or worker.deleted_at:
        raise WorkerNotFound
    return worker


def _new_worker(caller: Caller, project: Project, wish: Wish, now: int) -> Worker:
    suggested = WorkerPage(project.title or wish.name, project.description)
    blank = Worker(
        id=new_ulid(),
        account_id=caller.account_id,
        owner=caller.account_name,
        name=wish.name,
        title="",
        description="",
        public=bool(wish.public),
        created_at=now,
        latest="",
    )
    return with_page(blank, wish.page.over(suggested))


def _changed(worker: Worker, project: Project, wish: Wish) -> Worker:
    suggested = replace(
        worker.page,
        title=project.title or worker.title,
        description=project.description or worker.description,
    )
    public = worker.public if wish.public is None else wish.public
    return replace(with_page(worker, wish.page.over(suggested)), public=public)


def with_page(worker: Worker, page: WorkerPage) -> Worker:
    """Return the worker with this page."""
    return replace(
        worker,
        title=page.title,
        description=page.description,
        categories=page.categories,
        icon=page.icon,
    )


def _new_version(worker: Worker, project: Project, number: str, now: int) -> Version:
    return Version(
        id=new_ulid(),
        worker_id=worker.id,
        number=number,
        digest=project.digest,
        language=project.language,
        state=VersionState.PUBLISHED,
        input_schema=project.input_schema,
        output_schema=project.output_schema,
        readme=project.readme,
        requirements=project.requirements,
        defaults=SystemDefaults(),
        created_at=now,
    )
