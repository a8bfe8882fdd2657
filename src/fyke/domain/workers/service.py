"""Publishes and finds workers.

A version never changes: its bundle is stored in the blobs under its digest before the version is
written, and publishing the same content again returns the existing version. The page belongs to the
worker and may change at any time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from fyke.contracts.blobs import Blobs
from fyke.contracts.parsing import THOROUGH, ParserPool
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.workers.bundles import Bundles, bundle_name
from fyke.domain.workers.environments import request_environment
from fyke.domain.workers.lookup import (
    find_own_worker,
    find_version,
    find_worker,
    find_worker_including_deleted,
    owns,
    unknown_version,
)
from fyke.domain.workers.naming import checked_name, name_from_title, split_path
from fyke.domain.workers.page import PageChange, checked_notice
from fyke.domain.workers.project import read_project
from fyke.domain.workers.publication import (
    PublishRequest,
    PublishResult,
    draft_transaction,
    publish_transaction,
    texts_to_read,
    with_page,
)
from fyke.domain.workers.submitting import waiting_finding
from fyke.domain.workers.suggested_page import Suggestion, read_suggestions
from fyke.errors import Conflict, InvalidFields, InvalidRequest, Unavailable, VersionUnavailable
from fyke.kit.clock import Clock
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.worker import Finding, Project, Version, VersionState, Worker
from fyke.reasons import Reason, ReasonCode

T = TypeVar("T")

_AUDIT_ACTIONS = {
    VersionState.WITHDRAWN: AuditAction.WITHDRAWN,
    VersionState.DEPRECATED: AuditAction.DEPRECATED,
    VersionState.PUBLISHED: AuditAction.RESTORED,
}
_RUNNABLE = (VersionState.PUBLISHED, VersionState.DEPRECATED)
_ATTEMPTS = 5  # to publish while concurrent publications take the next version number


class Workers:
    """Publishes and reads workers and their versions; ``WorkerRemoval`` deletes them."""

    def __init__(
        self,
        storage: Storage,
        blobs: Blobs,
        parsers: ParserPool,
        clock: Clock,
        *,
        review: bool = False,
        shipped: frozenset[str] = frozenset(),
        check_place: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``review``: other accounts get a version only after its approval, unless the operator
        publishes it. ``shipped``: names of the operator's workers that are published at every
        start; their dependencies are not fetched before a run needs them. ``check_place`` raises
        ``Unavailable`` if ``blobs`` is not the storage that has the bundles of earlier versions.
        """
        self._storage = storage
        self._blobs = blobs
        self._bundles = Bundles(blobs, parsers)
        self._parsers = parsers
        self._clock = clock
        self._review = review
        self._shipped = shipped
        self._check_place = check_place

    def prepares(self, caller: Caller, name: str) -> bool:
        """Whether dependencies of the caller's worker are fetched before a run needs them."""
        return not (caller.operator and name in self._shipped)

    async def publish(
        self,
        caller: Caller,
        data: bytes,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        public: bool | None = None,
        note: str = "",
        new: bool = False,
        ref: str = "",
        promote: bool = True,
        replace_waiting: bool | None = None,
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the ZIP ``data`` as the next version of the caller's worker ``ref`` or ``name``;
        without a name it is derived from the title. ``note`` is for the reviewer. ``new``: raise
        ``Refused`` if there is a worker of this name with other files. ``replace_waiting``: as in
        ``PublishRequest``. Otherwise see ``publish_at``.
        """
        page = PageChange(title=title, description=description)
        if ref:
            request = await self._publish_request(caller, ref, page, public)
        else:
            stored_name = _checked_name(name, page) if name else ""
            request = PublishRequest(stored_name, page=page, public=public, new=new)
        request = replace(request, note=note, promote=promote, replace_waiting=replace_waiting)
        return await self._publish(caller, data, request)

    async def draft(self, caller: Caller, data: bytes, *, name: str = "") -> PublishResult:
        """Write the ZIP ``data`` as a draft of the caller's worker ``name``, for a trial run of
        its own account. Raise ``InvalidRequest`` with all errors of the project, ``Forbidden``.
        """
        require_editor(caller, "Uploading workers")
        project = await self._read(caller, data)
        request = PublishRequest(checked_name(name) if name else name_from_title(project.title))
        return await self._add(project, draft_transaction(caller, project, request, self._clock))

    async def publish_at(
        self,
        caller: Caller,
        ref: str,
        data: bytes,
        page: PageChange,
        *,
        public: bool | None = None,
        promote: bool = True,
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the ZIP ``data`` as the next version of the caller's worker ``ref``.

        A reference ``owner~name`` with the caller's name creates the worker when it does not exist.
        Values of ``page`` that are None stay if they were edited by hand, and otherwise come from
        the project. A version that waits for a review has a finding about it. Without ``promote``
        the current version stays the current one. Raise ``InvalidRequest`` with all errors of the
        project, ``Forbidden`` for a worker of another account, ``WorkerNotFound``.
        """
        request = await self._publish_request(caller, ref, page, public)
        return await self._publish(caller, data, replace(request, promote=promote))

    async def create(
        self, caller: Caller, data: bytes, page: PageChange, *, public: bool | None = None
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the ZIP ``data`` as a new worker, named after its title.

        If the caller has a worker of this name whose newest version has these files, that one is
        returned; raise ``Refused`` if it has others. Otherwise see ``publish_at``.
        """
        return await self._publish(
            caller, data, PublishRequest("", page=page, public=public, new=True)
        )

    async def _publish_request(
        self, caller: Caller, ref: str, page: PageChange, public: bool | None
    ) -> PublishRequest:
        owner, name = ("", "") if is_ulid(ref.strip()) else split_path(ref)
        if owner == caller.account_name:
            return PublishRequest(checked_name(name), page=page, public=public)
        worker = await self._storage.read(
            lambda tx: find_own_worker(tx, caller, ref, "publish versions of it")
        )
        return PublishRequest(worker.name, worker.id, page, public)

    async def _publish(
        self, caller: Caller, data: bytes, request: PublishRequest
    ) -> tuple[Worker, Version, list[Finding]]:
        require_editor(caller, "Publishing workers")
        request.page.check()
        project = await self._read(caller, data)
        if not request.name:
            request = replace(request, name=name_from_title(request.page.title or project.title))
        request = replace(
            request,
            shipped=not self.prepares(caller, request.name),
            suggested=await self._suggested(caller, project, request),
        )
        result = await self._add(
            project,
            publish_transaction(caller, project, request, self._clock, review=self._review),
        )
        return _published(result, project)

    async def _suggested(
        self, caller: Caller, project: Project, request: PublishRequest
    ) -> tuple[Suggestion, ...]:
        """What earlier versions suggested, read outside the transaction, see ``page_after``."""
        versions = await self._storage.read(lambda tx: texts_to_read(tx, caller, project, request))
        return await read_suggestions(self._parsers, caller.account_id, versions)

    async def _read(self, caller: Caller, data: bytes) -> Project:
        return await self._parsers.run(caller.account_id, read_project, data, limits=THOROUGH)

    async def _add(self, project: Project, work: Callable[[Transaction], T]) -> T:
        """Store the bundle, then write the version. Where the storage has no lock, ``fyke prune``
        may have removed an old bundle of the same digest between the two.
        """
        await self.require_place()
        name = bundle_name(project.digest)
        await self._blobs.put(name, project.bundle)
        added = await self._write(work)
        with contextlib.suppress(Unavailable):  # it has just been stored
            if not await self._blobs.exists(name):
                await self._blobs.put(name, project.bundle)
        return added

    async def require_place(self) -> None:
        """Raise ``Unavailable`` if the storage is not the one that has the files of the
        installation: what is stored now would be lost with it.
        """
        if self._check_place is not None:
            await self._check_place()

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._storage.write(work)
            except Conflict:
                continue  # another publication took the number; the next attempt sees it
        return await self._storage.write(work)

    async def replace_page(self, caller: Caller, ref: str, number: str, page: PageChange) -> Worker:
        """Replace the page of the worker that has the version ``number``.

        Raise ``VersionUnavailable`` for a version that is unknown or withdrawn, ``Forbidden``,
        ``WorkerNotFound``.
        """
        require_editor(caller, "Changing workers")
        page.check()
        worker, _ = await self._storage.write(
            lambda tx: _replace_page(tx, caller, ref, number, page)
        )
        return worker

    async def replace_version(
        self, caller: Caller, ref: str, number: str, page: PageChange, data: bytes
    ) -> tuple[Worker, Version, list[Finding]]:
        """Replace the page as ``replace_page``, and publish the ZIP ``data`` as the next version.

        A version never changes: ``number`` keeps its files. If it or another version has the files
        of ``data``, that version is returned and none is published. Raise ``InvalidRequest`` with
        all errors of the project.
        """
        require_editor(caller, "Publishing workers")
        page.check()
        project = await self._read(caller, data)

        def work(tx: Transaction) -> PublishResult:
            worker, named = _replace_page(tx, caller, ref, number, page)
            for version in (named, *tx.workers.versions(worker.id)):
                if version.digest == project.digest and version.state in _RUNNABLE:
                    request_environment(tx, version.id)
                    return PublishResult(worker, version)
            request = PublishRequest(worker.name, worker.id, _page_of(worker))
            return publish_transaction(caller, project, request, self._clock, review=self._review)(
                tx
            )

        return _published(await self._add(project, work), project)

    async def find(self, caller: Caller | None, ref: str) -> Worker:
        """Return the worker of an id, ``owner/name`` or ``owner~name``, also percent-encoded.

        Raise ``WorkerNotFound``, including for private workers of other accounts and deleted ones.
        """
        return await self._storage.read(lambda tx: find_worker(tx, caller, ref))

    async def find_including_deleted(self, caller: Caller, ref: str) -> Worker:
        """Return the worker of an earlier run or task, even a deleted one by its id."""
        return await self._storage.read(lambda tx: find_worker_including_deleted(tx, caller, ref))

    async def own_page(
        self, caller: Caller, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Return the total count and one page of the account's own workers, newest first.

        They have ``text`` in their id, path, title or description; all of them for a blank text.
        """
        account_id = caller.account_id
        return await self._storage.read(
            lambda tx: tx.workers.own_page(account_id, text.strip(), offset=offset, limit=limit)
        )

    async def version(
        self, caller: Caller | None, worker: Worker, number: str | None = None
    ) -> Version:
        """Return a version that the caller may run; None, ``""``, ``latest`` and ``auto`` mean
        the newest.

        Raise ``InvalidRequest`` for an unknown number, ``VersionUnavailable`` for a withdrawn
        one or when none is left.
        """
        return await self._storage.read(lambda tx: find_version(tx, caller, worker.id, number))

    async def versions(self, caller: Caller | None, ref: str) -> list[Version]:
        """Return the versions of a worker, newest first: for other accounts the approved ones."""

        def work(tx: Transaction) -> list[Version]:
            worker = find_worker(tx, caller, ref)
            versions = tx.workers.versions(worker.id)
            return versions if owns(worker, caller) else [v for v in versions if v.approved]

        return await self._storage.read(work)

    async def roll_back(
        self, caller: Caller, ref: str, number: str
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the files of an earlier version as the next version; the page stays unchanged.

        Raise ``Conflict`` when the latest version has these files, ``UnknownVersion``,
        ``Forbidden``.
        """
        require_editor(caller, "Rolling back workers")

        def read(tx: Transaction) -> tuple[Worker, Version]:
            worker = find_own_worker(tx, caller, ref, "roll it back")
            version = tx.workers.version(worker.id, number)
            if version is None or version.state is VersionState.DRAFT:
                raise unknown_version(worker, number)
            latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            if latest is not None and latest.digest == version.digest:
                raise Conflict(f"{worker.latest} is the latest and already has these files")
            return worker, version

        worker, version = await self._storage.read(read)
        data = await self._bundles.data(version)
        request = PublishRequest(worker.name, worker.id, _page_of(worker))
        return await self._publish(caller, data, request)

    async def change_page(self, caller: Caller, ref: str, page: PageChange) -> Worker:
        """Change the given fields of the worker's page. Raise ``InvalidFields``, ``Forbidden``,
        ``WorkerNotFound``.
        """
        require_editor(caller, "Changing workers")
        page.check()

        def work(tx: Transaction) -> Worker:
            worker = find_own_worker(tx, caller, ref, "change its page")
            changed = with_page(worker, page.applied_to(worker.page))
            tx.workers.update(worker.id, changed.page, public=worker.public)
            record(tx, caller, AuditAction.WORKER_CHANGED, worker.path)
            return changed

        return await self._storage.write(work)

    async def set_state(
        self,
        caller: Caller,
        ref: str,
        number: str,
        state: VersionState,
        reason: str = "",
        *,
        then: tuple[str, str] | None = None,
    ) -> tuple[Worker, Version]:
        """Withdraw, deprecate or restore a version, and return both as changed. ``reason`` is shown
        to the users of the version. Active runs continue. ``Promotions.preview_state`` says what it
        changes. Raise ``Conflict`` unless ``then`` are the numbers of the current version
        afterwards and, if the worker is public, of that for other accounts; ``""`` = there is none.
        """
        require_editor(caller, "Withdrawing and restoring versions")
        notice = checked_notice(reason)

        def work(tx: Transaction) -> tuple[Worker, Version]:
            worker = find_own_worker(tx, caller, ref, "withdraw or restore its versions")
            version = tx.workers.version(worker.id, number)
            if version is None:
                raise unknown_version(worker, number)
            if version.state is VersionState.DRAFT:
                raise VersionUnavailable(Reason.of(ReasonCode.VERSION_DRAFT, number=number))
            tx.workers.set_version_state(worker.id, number, state, notice)
            record(tx, caller, _AUDIT_ACTIONS[state], worker.path, number)
            worker = tx.workers.lock(worker.id)  # as it is now
            if then is not None and worker.latest != then[0]:
                current = worker.latest or "none"
                raise Conflict(f"the current version would now be {current}; check again")
            if then is not None and worker.public and worker.latest_approved != then[1]:
                others = worker.latest_approved or "none"
                raise Conflict(f"other accounts would now get {others}; check again")
            return worker, replace(version, state=state, notice=notice)

        return await self._storage.write(work)


def _checked_name(name: str, page: PageChange) -> str:
    """``checked_name``; the error also has the problems of the page."""
    try:
        return checked_name(name)
    except InvalidRequest as wrong:
        try:
            page.check()
        except InvalidFields as more:
            raise InvalidRequest.of([*wrong.problems, *more.problems]) from None
        raise


def _published(result: PublishResult, project: Project) -> tuple[Worker, Version, list[Finding]]:
    """Return a published version with what its publisher should know."""
    waiting = [waiting_finding(result.submission)] if result.submission else []
    return result.worker, result.version, [*project.findings, *waiting]


def _page_of(worker: Worker) -> PageChange:
    """Return the change that leaves the page as it is, whatever the project says."""
    return PageChange(worker.title, worker.description, worker.categories, worker.icon)


def _replace_page(
    tx: Transaction, caller: Caller, ref: str, number: str, page: PageChange
) -> tuple[Worker, Version]:
    """Replace the page of the worker and return both as changed."""
    worker = find_own_worker(tx, caller, ref, "change its page")
    version = _named_version(tx, caller, worker, number)
    changed = with_page(worker, page.replacing(worker.page))
    tx.workers.update(worker.id, changed.page, public=worker.public)
    record(tx, caller, AuditAction.WORKER_CHANGED, worker.path)
    return changed, version


def _named_version(tx: Transaction, caller: Caller, worker: Worker, number: str) -> Version:
    """Return a version given in a path, where an unknown number is not an invalid field."""
    try:
        return find_version(tx, caller, worker.id, number)
    except InvalidRequest as unknown:
        raise VersionUnavailable(unknown.reason or unknown.message) from None
