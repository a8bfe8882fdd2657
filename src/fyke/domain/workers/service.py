"""Publishing workers and finding them again.

A version never changes: its bundle lies in the blobs under its digest before the version is
written, and publishing the same content again gives the version that is there. What a worker's
page says belongs to the worker and may change at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from fyke.domain.accounts.model import Caller
from fyke.domain.accounts.rights import require_editor
from fyke.domain.contracts import Blobs, Storage, Transaction
from fyke.domain.workers.lookup import (
    find_own_worker,
    find_past_worker,
    find_version,
    find_worker,
    unknown_version,
)
from fyke.domain.workers.model import Finding, Version, VersionState, Worker
from fyke.domain.workers.naming import checked_name, name_from_title, split_path
from fyke.domain.workers.page import PageWish
from fyke.domain.workers.project import read_project
from fyke.domain.workers.publication import Wish, publication, with_page
from fyke.errors import Conflict, InvalidRequest, VersionUnavailable
from fyke.kit.clock import Clock
from fyke.kit.ids import is_ulid

T = TypeVar("T")

_TRIES = 5  # of a publication that meets another one of the same worker


def bundle_name(digest: str) -> str:
    """Return the name of a bundle among the blobs."""
    return f"bundles/{digest}"


class Workers:
    """All that can be done with workers and their versions, except to delete them."""

    def __init__(self, storage: Storage, blobs: Blobs, clock: Clock) -> None:
        self._storage = storage
        self._blobs = blobs
        self._clock = clock

    async def publish(
        self,
        caller: Caller,
        data: bytes,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        public: bool | None = None,
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the ZIP ``data`` as the next version of the caller's worker ``name``, or of the
        one that the title gives. Otherwise as ``publish_at``.
        """
        given = checked_name(name) if name else ""
        page = PageWish(title=title, description=description)
        return await self._publish(caller, data, Wish(given, page=page, public=public))

    async def publish_at(
        self, caller: Caller, ref: str, data: bytes, page: PageWish, *, public: bool | None = None
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish the ZIP ``data`` as the next version of the caller's worker ``ref``.

        A reference ``owner~name`` with the caller's own name makes the worker when there is none.
        What is not given stays as it is, or comes from the project. Raise ``InvalidRequest`` with
        all errors of the project, ``Forbidden`` for a worker of somebody else,
        ``WorkerNotFound``.
        """
        return await self._publish(caller, data, await self._aim(caller, ref, page, public))

    async def _aim(self, caller: Caller, ref: str, page: PageWish, public: bool | None) -> Wish:
        owner, name = ("", "") if is_ulid(ref.strip()) else split_path(ref)
        if owner == caller.account_name:
            return Wish(checked_name(name), page=page, public=public)
        found = await self._storage.read(
            lambda tx: find_own_worker(tx, caller, ref, "publish versions of it")
        )
        return Wish(found.name, found.id, page, public)

    async def _publish(
        self, caller: Caller, data: bytes, wish: Wish
    ) -> tuple[Worker, Version, list[Finding]]:
        require_editor(caller, "Publishing workers")
        wish.page.check()
        project = await asyncio.to_thread(read_project, data)
        if not wish.name:
            wish = replace(wish, name=name_from_title(wish.page.title or project.title))
        await self._blobs.put(bundle_name(project.digest), project.bundle)
        worker, version = await self._write(publication(caller, project, wish, self._clock))
        return worker, version, project.findings

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        for _ in range(_TRIES - 1):
            try:
                return await self._storage.write(work)
            except Conflict:
                continue  # another publication took the number; the next try sees it
        return await self._storage.write(work)

    async def replace_page(
        self, caller: Caller, ref: str, number: str, page: PageWish, data: bytes = b""
    ) -> Worker:
        """Let the worker's page say ``page`` and nothing else, by way of one of its versions.

        ``data``, when there is any, must be the ZIP of that very version, because a version never
        changes: raise ``InvalidRequest`` for other files. Raise ``VersionUnavailable`` for a
        version that is unknown or withdrawn, ``Forbidden``, ``WorkerNotFound``.
        """
        require_editor(caller, "Changing workers")
        page.check()
        project = await asyncio.to_thread(read_project, data) if data else None

        def work(tx: Transaction) -> Worker:
            worker = find_own_worker(tx, caller, ref, "change its page")
            version = _named_version(tx, worker, number)
            if project is not None and project.digest != version.digest:
                raise InvalidRequest(
                    f"scraper_file differs from version {version.number}, and a version never "
                    "changes; publish the new files as a new version with POST"
                )
            changed = with_page(worker, page.instead_of(worker.page))
            tx.workers.update(worker.id, changed.page, public=worker.public)
            return changed

        return await self._storage.write(work)

    async def find(self, caller: Caller | None, ref: str) -> Worker:
        """Return the worker of an id, ``owner/name`` or ``owner~name``, also percent-encoded.

        Raise ``WorkerNotFound``, also for private workers of other accounts and deleted ones.
        """
        return await self._storage.read(lambda tx: find_worker(tx, caller, ref))

    async def of_runs(self, caller: Caller, ref: str) -> Worker:
        """Return the worker whose runs or tasks are asked for: also a deleted one, by its id."""
        return await self._storage.read(lambda tx: find_past_worker(tx, caller, ref))

    async def own_page(
        self, caller: Caller, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count and one page, newest first, of the account's own workers that hold ``text``
        in id, path, title or description; all of them for a blank one.
        """
        wanted, account_id = text.strip(), caller.account_id
        return await self._storage.read(
            lambda tx: tx.workers.own_page(account_id, wanted, offset=offset, limit=limit)
        )

    async def version(self, worker: Worker, number: str | None = None) -> Version:
        """Return a version that may run; None, ``""``, ``latest`` and ``auto`` mean the newest.

        Raise ``InvalidRequest`` for an unknown number, ``VersionUnavailable`` for a withdrawn
        one or when none is left.
        """
        return await self._storage.read(lambda tx: find_version(tx, worker.id, number))

    async def versions(self, caller: Caller | None, ref: str) -> list[Version]:
        """Return all versions of a worker, newest first."""
        return await self._storage.read(
            lambda tx: tx.workers.versions(find_worker(tx, caller, ref).id)
        )

    async def withdraw(self, caller: Caller, ref: str, number: str) -> Version:
        """Take a version out of use; runs of it that are on their way go on."""
        return await self._set_state(caller, ref, number, VersionState.WITHDRAWN)

    async def restore(self, caller: Caller, ref: str, number: str) -> Version:
        """Put a withdrawn version into use again."""
        return await self._set_state(caller, ref, number, VersionState.PUBLISHED)

    async def _set_state(
        self, caller: Caller, ref: str, number: str, state: VersionState
    ) -> Version:
        require_editor(caller, "Withdrawing and restoring versions")

        def work(tx: Transaction) -> Version:
            worker = find_own_worker(tx, caller, ref, "withdraw or restore its versions")
            version = tx.workers.version(worker.id, number)
            if version is None:
                raise unknown_version(worker, number)
            tx.workers.set_version_state(worker.id, number, state)
            return replace(version, state=state)

        return await self._storage.write(work)


def _named_version(tx: Transaction, worker: Worker, number: str) -> Version:
    """A version that a path names: it is a thing of its own there, not a field of a request."""
    try:
        return find_version(tx, worker.id, number)
    except InvalidRequest as unknown:
        raise VersionUnavailable(f"Worker version unavailable: {unknown.message}") from None
