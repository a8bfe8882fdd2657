"""Writes a worker and its next version: the transaction of every publication."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fyke.contracts.state import Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.workers.environments import request_environment
from fyke.domain.workers.naming import next_number
from fyke.domain.workers.page import PageChange
from fyke.domain.workers.submitting import share, take_back
from fyke.domain.workers.suggested_page import (
    Suggestion,
    depends_on_earlier,
    page_after,
    suggesting,
)
from fyke.errors import Refused, WorkerNotFound
from fyke.kit.clock import Clock
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.submission import Submission, SubmissionState
from fyke.model.worker import (
    Project,
    SystemDefaults,
    Version,
    VersionFacts,
    VersionState,
    Worker,
    WorkerPage,
)


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """How to publish a project: as a version of the worker ``worker_id`` or, if that is empty, of
    the caller's worker ``name``, which is created when it does not exist. ``public`` None =
    unchanged. ``new``: it must not exist, unless its newest version has the same content. Without
    ``promote`` the current version, if there is one, stays the current one, and so does the page.
    ``shipped``: published at every start, so nothing is chosen if the newest version has these
    files, and its dependencies are not fetched before a run needs them.
    """

    name: str
    worker_id: str = ""
    page: PageChange = field(default_factory=PageChange)
    public: bool | None = None
    note: str = ""  # for the reviewer
    shipped: bool = False
    new: bool = False
    promote: bool = True
    replace_waiting: bool | None = None  # a version that waits for review; None = as ``promote``
    suggested: tuple[Suggestion, ...] = ()  # of the ``texts_to_read``


@dataclass(frozen=True, slots=True)
class PublishResult:
    """A published version. ``submission`` is None unless it needs a review."""

    worker: Worker
    version: Version
    submission: Submission | None = None


def texts_to_read(
    tx: Transaction, caller: Caller, project: Project, request: PublishRequest
) -> list[Version]:
    """The versions whose suggestions the publication needs. Raise ``WorkerNotFound``."""
    if not request.promote or (request.page.title and request.page.description is not None):
        return []
    worker = _target(tx, caller, request)
    if worker is None or not depends_on_earlier(worker, project):
        return []
    return suggesting(worker, tx.workers.versions(worker.id))


def publish_transaction(
    caller: Caller, project: Project, request: PublishRequest, clock: Clock, *, review: bool
) -> Callable[[Transaction], PublishResult]:
    """Return the transaction that writes the worker and its next version.

    Without a change of content no version is written, and the newest version becomes published if
    it is a draft with this content. With ``review``, other accounts get the version only after its
    approval, unless the operator publishes it. Raise ``Conflict`` when a concurrent publication
    took the number, ``WorkerNotFound`` when the worker is gone, ``Refused`` when it shall be new
    and exists.
    """
    approved = caller.operator or not review

    def work(tx: Transaction) -> PublishResult:
        worker, version = _write_version(tx, caller, project, request, clock, approved=approved)
        if not request.shipped:
            request_environment(tx, version.id)
        public = worker.public if request.public is None else request.public
        submission = None
        if public:
            submission = share(
                tx,
                worker,
                version,
                required=not approved,
                note=request.note,
                replace_waiting=(
                    request.promote if request.replace_waiting is None else request.replace_waiting
                ),
            )
        elif request.public is False:
            make_private(tx, worker)
        stored_worker = tx.workers.get(worker.id)
        stored_version = tx.workers.version(worker.id, version.number)
        if stored_worker is None or stored_version is None:
            raise WorkerNotFound
        return PublishResult(stored_worker, stored_version, submission)

    return work


def draft_transaction(
    caller: Caller, project: Project, request: PublishRequest, clock: Clock
) -> Callable[[Transaction], PublishResult]:
    """Return the transaction that writes the project as a draft, for a test by its owner.

    An existing version with the same content is used instead.
    """

    def work(tx: Transaction) -> PublishResult:
        worker = _target(tx, caller, request)
        if worker is None:
            worker = _new_worker(caller, project, request, clock.now_ms())
            tx.workers.add(worker)
        versions = tx.workers.versions(worker.id)
        for version in versions:
            if version.digest == project.digest and version.state is not VersionState.WITHDRAWN:
                return PublishResult(worker, version)
        number = next_number([version.number for version in versions])
        draft = _new_version(worker, project, number, clock.now_ms(), versions)
        draft = replace(draft, state=VersionState.DRAFT)
        _add(tx, draft, project)
        return PublishResult(worker, draft)

    return work


def make_private(tx: Transaction, worker: Worker) -> None:
    """Let only the worker's own account see and run it."""
    take_back(tx, worker.id, SubmissionState.TAKEN_BACK)
    if worker.public:
        tx.workers.update(worker.id, worker.page, public=False)


def _write_version(
    tx: Transaction,
    caller: Caller,
    project: Project,
    request: PublishRequest,
    clock: Clock,
    *,
    approved: bool,
) -> tuple[Worker, Version]:
    """Write the worker and its next version, or return the version that has the content."""
    worker = _target(tx, caller, request)
    versions: list[Version] = []
    promote = request.promote
    if worker is None:
        worker = _new_worker(caller, project, request, clock.now_ms())
        tx.workers.add(worker)
    else:
        worker = tx.workers.lock(worker.id)  # first: a choice may be made meanwhile
        if request.new:
            _require_same(tx, worker, project)
        versions = tx.workers.versions(worker.id)
        if request.shipped and versions and _has_files(versions[0], project):
            promote = False
        page = worker.page
        if promote:
            page = page_after(worker, project, versions, request.suggested)
        page = request.page.applied_to(page)
        worker = with_page(worker, page)
        tx.workers.update(worker.id, page, public=worker.public)
        latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
        if latest is not None and latest.digest == project.digest:
            _note_browser(tx, latest, project)
            return worker, latest
    newest = versions[0] if versions else None
    if newest and _has_files(newest, project):
        _note_browser(tx, newest, project)
        if promote:  # another one was chosen
            _choose(tx, worker, newest, promote=True)
            record(tx, caller, AuditAction.PROMOTED, worker.path, newest.number)
        return worker, newest
    if newest and newest.state is VersionState.DRAFT and newest.digest == project.digest:
        tx.workers.set_version_state(worker.id, newest.number, VersionState.PUBLISHED)
        _choose(tx, worker, newest, promote=promote)
        record(tx, caller, AuditAction.PUBLISHED, worker.path, newest.number)
        return worker, replace(newest, state=VersionState.PUBLISHED)
    number = next_number([version.number for version in versions])
    version = _new_version(worker, project, number, clock.now_ms(), versions)
    version = replace(version, approved=approved)
    _add(tx, version, project)
    _choose(tx, worker, version, promote=promote)
    record(tx, caller, AuditAction.PUBLISHED, worker.path, number)
    return worker, version


def _has_files(version: Version, project: Project) -> bool:
    """Whether the version is published, with the files of the project."""
    return version.state is VersionState.PUBLISHED and version.digest == project.digest


def _choose(tx: Transaction, worker: Worker, newest: Version, *, promote: bool) -> None:
    """Make the newest version the current one, for other accounts if they may run it; or keep the
    one that is current in ``worker``, as it was before the publication. Without any, other
    accounts follow the owner.
    """
    if promote:
        own, others = "", "" if newest.approved else None
    else:
        own = _published(tx, worker, worker.latest)
        others = _published(tx, worker, worker.latest_approved)
    tx.workers.set_current(worker.id, own=own, others=others)


def _published(tx: Transaction, worker: Worker, number: str) -> str:
    """The number if its version is published: others cannot be chosen."""
    version = tx.workers.version(worker.id, number) if number else None
    return number if version and version.state is VersionState.PUBLISHED else ""


def _require_same(tx: Transaction, worker: Worker, project: Project) -> None:
    """Raise ``Refused`` if the worker exists with other files than those that shall create it."""
    latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
    if latest is None or latest.digest != project.digest:
        raise Refused(
            f"{worker.path} exists: publish the next version of it, with PUT or POST "
            f"/api/v2/workers/{worker.owner}~{worker.name}/versions, or choose another title"
        )


def _note_browser(tx: Transaction, version: Version, project: Project) -> None:
    """Note what an older release has not known of the same files."""
    known = version.browser, version.browser_declared
    if known != (project.browser, project.browser_declared):
        tx.workers.set_browser(
            version.worker_id, version.number, project.browser, declared=project.browser_declared
        )


def _add(tx: Transaction, version: Version, project: Project) -> None:
    tx.workers.add_version(version)
    facts = VersionFacts(len(project.bundle), tuple(project.findings))
    tx.worker_facts.add_version(version.id, facts)


def _target(tx: Transaction, caller: Caller, request: PublishRequest) -> Worker | None:
    if not request.worker_id:
        return tx.workers.by_path(caller.account_name, request.name)
    worker = tx.workers.get(request.worker_id)
    if worker is None or worker.deleted_at:
        raise WorkerNotFound
    return worker


def _new_worker(caller: Caller, project: Project, request: PublishRequest, now: int) -> Worker:
    suggested = WorkerPage(project.title or request.name, project.description)
    blank = Worker(
        id=new_ulid(),
        account_id=caller.account_id,
        owner=caller.account_name,
        name=request.name,
        title="",
        description="",
        public=False,  # see ``publish_transaction``
        created_at=now,
        latest="",
    )
    return with_page(blank, request.page.applied_to(suggested))


def with_page(worker: Worker, page: WorkerPage) -> Worker:
    """Return the worker with this page."""
    return replace(
        worker,
        title=page.title,
        description=page.description,
        categories=page.categories,
        icon=page.icon,
    )


def _new_version(
    worker: Worker, project: Project, number: str, now: int, earlier: Sequence[Version]
) -> Version:
    """``earlier``: the existing versions, newest first; the run options are inherited."""
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
        defaults=earlier[0].defaults if earlier else SystemDefaults(),
        created_at=now,
        approved=False,
        egress=project.egress,
        builds=project.builds,
        secrets=project.secrets,
        browser=project.browser,
        browser_declared=project.browser_declared,
    )
