"""Publishing workers and finding them again.

A version never changes: its bundle is stored in the blobs under its digest before the version is
written, and publishing the same content again gives the version that is there. What a worker's
page says belongs to the worker and may change at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from fyke.contracts.blobs import Blobs
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.workers.bundles import Bundles, bundle_name
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
    with_page,
)
from fyke.domain.workers.submitting import waiting_finding
from fyke.errors import Conflict, InvalidRequest, VersionUnavailable
from fyke.kit.clock import Clock
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.worker import Finding, Version, VersionState, Worker
from fyke.reasons import Reason, ReasonCode

T = TypeVar("T")

_ACTS = {
    VersionState.WITHDRAWN: AuditAction.WITHDRAWN,
    VersionState.DEPRECATED: AuditAction.DEPRECATED,
    VersionState.PUBLISHED: AuditAction.RESTORED,
}
_TRIES = 5  # of a publication that meets another one of the same worker


class Workers:
    """Publishes and reads workers and their versions; ``WorkerRemoval`` deletes them."""

    def __init__(
        self, storage: Storage, blobs: Blobs, clock: Clock, *, review: bool = False
    ) -> None:
        """``review``: others get a version of an account that is not the operator's only once it
        is approved.
        """
        self._storage = storage
        self._blobs = blobs
        self._bundles = Bundles(blobs)
        self._clock = clock
        self._review = review

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
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the ZIP ``data`` as the next version of the caller's worker ``name``, or of the
        one that the title gives. Otherwise as ``publish_at``. ``note`` is for the reviewer.
        """
        given = checked_name(name) if name else ""
        page = PageChange(title=title, description=description)
        return await self._publish(
            caller, data, PublishRequest(given, page=page, public=public, note=note)
        )

    async def draft(self, caller: Caller, data: bytes, *, name: str = "") -> PublishResult:
        """Write the ZIP ``data`` as a draft of the caller's worker ``name``, for a trial run of
        its own account. Raise ``InvalidRequest`` with all errors of the project, ``Forbidden``.
        """
        require_editor(caller, "Uploading workers")
        project = await asyncio.to_thread(read_project, data)
        request = PublishRequest(checked_name(name) if name else name_from_title(project.title))
        await self._blobs.put(bundle_name(project.digest), project.bundle)
        return await self._write(draft_transaction(caller, project, request, self._clock))

    async def publish_at(
        self, caller: Caller, ref: str, data: bytes, page: PageChange, *, public: bool | None = None
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the ZIP ``data`` as the next version of the caller's worker ``ref``.

        A reference ``owner~name`` with the caller's own name makes the worker when there is none.
        What is not given stays as it is, or comes from the project. Raise ``InvalidRequest`` with
        all errors of the project, ``Forbidden`` for a worker of another account,
        ``WorkerNotFound``. A version that waits for a review says so in its findings.
        """
        return await self._publish(caller, data, await self._aim(caller, ref, page, public))

    async def _aim(
        self, caller: Caller, ref: str, page: PageChange, public: bool | None
    ) -> PublishRequest:
        owner, name = ("", "") if is_ulid(ref.strip()) else split_path(ref)
        if owner == caller.account_name:
            return PublishRequest(checked_name(name), page=page, public=public)
        found = await self._storage.read(
            lambda tx: find_own_worker(tx, caller, ref, "publish versions of it")
        )
        return PublishRequest(found.name, found.id, page, public)

    async def _publish(
        self, caller: Caller, data: bytes, request: PublishRequest
    ) -> tuple[Worker, Version, list[Finding]]:
        require_editor(caller, "Publishing workers")
        request.page.check()
        project = await asyncio.to_thread(read_project, data)
        if not request.name:
            request = replace(request, name=name_from_title(request.page.title or project.title))
        await self._blobs.put(bundle_name(project.digest), project.bundle)
        done = await self._write(
            publish_transaction(caller, project, request, self._clock, review=self._review)
        )
        waiting = [waiting_finding(done.waiting)] if done.waiting else []
        return done.worker, done.version, [*project.findings, *waiting]

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        for _ in range(_TRIES - 1):
            try:
                return await self._storage.write(work)
            except Conflict:
                continue  # another publication took the number; the next try sees it
        return await self._storage.write(work)

    async def replace_page(
        self, caller: Caller, ref: str, number: str, page: PageChange, data: bytes = b""
    ) -> Worker:
        """Replace the worker's page by ``page``, by the reference of one of its versions. ``data``,
        if given, must be the ZIP of that very version, because a version never changes: raise
        ``InvalidRequest`` for other files. Raise ``VersionUnavailable`` for a version that is
        unknown or withdrawn, ``Forbidden``, ``WorkerNotFound``.
        """
        require_editor(caller, "Changing workers")
        page.check()
        project = await asyncio.to_thread(read_project, data) if data else None

        def work(tx: Transaction) -> Worker:
            worker = find_own_worker(tx, caller, ref, "change its page")
            version = _named_version(tx, caller, worker, number)
            if project is not None and project.digest != version.digest:
                raise InvalidRequest(
                    f"scraper_file differs from version {version.number}, and a version never "
                    "changes; publish the new files as a new version with POST"
                )
            changed = with_page(worker, page.replacing(worker.page))
            tx.workers.update(worker.id, changed.page, public=worker.public)
            record(tx, caller, AuditAction.WORKER_CHANGED, f"{worker.owner}/{worker.name}")
            return changed

        return await self._storage.write(work)

    async def find(self, caller: Caller | None, ref: str) -> Worker:
        """Return the worker of an id, ``owner/name`` or ``owner~name``, also percent-encoded.

        Raise ``WorkerNotFound``, including for private workers of other accounts and deleted ones.
        """
        return await self._storage.read(lambda tx: find_worker(tx, caller, ref))

    async def find_including_deleted(self, caller: Caller, ref: str) -> Worker:
        """Return the worker of runs or tasks: also a deleted one, by its id."""
        return await self._storage.read(lambda tx: find_worker_including_deleted(tx, caller, ref))

    async def own_page(
        self, caller: Caller, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count and one page, newest first, of the account's own workers with ``text`` in id,
        path, title or description; all of them for a blank text.
        """
        wanted, account_id = text.strip(), caller.account_id
        return await self._storage.read(
            lambda tx: tx.workers.own_page(account_id, wanted, offset=offset, limit=limit)
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
        """Return all versions of a worker, newest first; of others' workers the approved ones."""

        def work(tx: Transaction) -> list[Version]:
            worker = find_worker(tx, caller, ref)
            found = tx.workers.versions(worker.id)
            return found if owns(worker, caller) else [v for v in found if v.approved]

        return await self._storage.read(work)

    async def roll_back(
        self, caller: Caller, ref: str, number: str
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the files of an earlier version again, as the newest. What the worker's page
        says stays. Raise ``Conflict`` for the latest itself, ``UnknownVersion``, ``Forbidden``.
        """
        require_editor(caller, "Rolling back workers")

        def look(tx: Transaction) -> tuple[Worker, Version]:
            worker = find_own_worker(tx, caller, ref, "roll it back")
            version = tx.workers.version(worker.id, number)
            if version is None or version.state is VersionState.DRAFT:
                raise unknown_version(worker, number)
            latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            if latest is not None and latest.digest == version.digest:
                raise Conflict(f"{worker.latest} is the latest and has these very files already")
            return worker, version

        worker, version = await self._storage.read(look)
        data = await self._bundles.data(version)
        page = PageChange(worker.title, worker.description, worker.categories, worker.icon)
        return await self._publish(caller, data, PublishRequest(worker.name, worker.id, page))

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
            record(tx, caller, AuditAction.WORKER_CHANGED, f"{worker.owner}/{worker.name}")
            return changed

        return await self._storage.write(work)

    async def withdraw(self, caller: Caller, ref: str, number: str, reason: str = "") -> Version:
        """Withdraw a version; its active runs continue. ``reason`` is shown to callers that try to
        start it.
        """
        return await self._set_state(caller, ref, number, VersionState.WITHDRAWN, reason)

    async def deprecate(self, caller: Caller, ref: str, number: str, reason: str = "") -> Version:
        """Deprecate a version: it is only run when its number is given, unless there is no other.
        ``reason`` is shown to its users.
        """
        return await self._set_state(caller, ref, number, VersionState.DEPRECATED, reason)

    async def restore(self, caller: Caller, ref: str, number: str) -> Version:
        """Restore a withdrawn or deprecated version."""
        return await self._set_state(caller, ref, number, VersionState.PUBLISHED)

    async def _set_state(
        self, caller: Caller, ref: str, number: str, state: VersionState, reason: str = ""
    ) -> Version:
        require_editor(caller, "Withdrawing and restoring versions")
        notice = checked_notice(reason)

        def work(tx: Transaction) -> Version:
            worker = find_own_worker(tx, caller, ref, "withdraw or restore its versions")
            version = tx.workers.version(worker.id, number)
            if version is None:
                raise unknown_version(worker, number)
            if version.state is VersionState.DRAFT:
                raise VersionUnavailable(Reason.of(ReasonCode.VERSION_DRAFT, number=number))
            tx.workers.set_version_state(worker.id, number, state, notice)
            record(tx, caller, _ACTS[state], f"{worker.owner}/{worker.name}", number)
            return replace(version, state=state, notice=notice)

        return await self._storage.write(work)


def _named_version(tx: Transaction, caller: Caller, worker: Worker, number: str) -> Version:
    """A version that is part of a path: an unknown one is not found, not an invalid field."""
    try:
        return find_version(tx, caller, worker.id, number)
    except InvalidRequest as unknown:
        raise VersionUnavailable(unknown.reason or unknown.message) from None
