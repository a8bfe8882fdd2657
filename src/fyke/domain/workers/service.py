"""Publishing workers and finding them again.

A version never changes: its bundle lies in the blobs under its digest before the version is
written, and publishing the same content again gives the version that is there. Workers of
others that are not public are answered exactly like workers that do not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from fyke.domain.accounts.model import Caller, Role
from fyke.domain.contracts import Blobs, Storage, Transaction
from fyke.domain.workers.model import (
    Finding,
    Project,
    SystemDefaults,
    Version,
    VersionState,
    Worker,
)
from fyke.domain.workers.naming import checked_name, name_from_title, next_number, split_path
from fyke.domain.workers.project import read_project
from fyke.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    UnknownVersion,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.kit.clock import Clock
from fyke.kit.ids import is_ulid, new_ulid

NEWEST = frozenset({"", "latest", "auto"})
MAX_TITLE = 200
MAX_DESCRIPTION = 2000
_TRIES = 5  # of a publication that meets another one of the same worker


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the publisher said about the worker; None = nothing."""

    name: str
    title: str | None
    description: str | None
    public: bool | None


def bundle_name(digest: str) -> str:
    """Return the name of a bundle among the blobs."""
    return f"bundles/{digest}"


class Workers:
    """All that can be done with workers and their versions."""

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
        """Publish the ZIP ``data`` as the next version of the caller's worker ``name``.

        Makes the worker when there is none of this name. What is not given stays as it is, or
        comes from the project. Raise ``InvalidRequest`` with all errors of the project.
        """
        _check_may_write(caller)
        _check_text("title", title, MAX_TITLE)
        _check_text("description", description, MAX_DESCRIPTION)
        given = checked_name(name) if name else None
        project = await asyncio.to_thread(read_project, data)
        chosen = given or name_from_title(title or project.title)
        wish = _Wish(chosen, title, description, public)
        await self._blobs.put(bundle_name(project.digest), project.bundle)
        worker, version = await self._write(_publication(caller, project, wish, self._clock))
        return worker, version, project.findings

    async def _write(
        self, work: Callable[[Transaction], tuple[Worker, Version]]
    ) -> tuple[Worker, Version]:
        for _ in range(_TRIES - 1):
            try:
                return await self._storage.write(work)
            except Conflict:
                continue  # another publication took the number; the next try sees it
        return await self._storage.write(work)

    async def find(self, caller: Caller | None, ref: str) -> Worker:
        """Return the worker of an id, ``owner/name`` or ``owner~name``, also percent-encoded.

        Raise ``WorkerNotFound``, also for private workers of other accounts.
        """
        return await self._storage.read(lambda tx: _find(tx, caller, ref))

    async def version(self, worker: Worker, number: str | None = None) -> Version:
        """Return a version that may run; None, ``""``, ``latest`` and ``auto`` mean the newest.

        Raise ``UnknownVersion`` for an unknown number, ``VersionUnavailable`` for a withdrawn
        one or when none is left.
        """
        return await self._storage.read(lambda tx: _version(tx, worker.id, number))

    async def versions(self, caller: Caller | None, ref: str) -> list[Version]:
        """Return all versions of a worker, newest first."""
        return await self._storage.read(lambda tx: tx.workers.versions(_find(tx, caller, ref).id))

    async def withdraw(self, caller: Caller, ref: str, number: str) -> Version:
        """Take a version out of use; runs of it that are on their way go on."""
        _check_may_write(caller)

        def work(tx: Transaction) -> Version:
            worker = _find(tx, caller, ref)
            if worker.account_id != caller.account_id:
                raise Forbidden("only the owner of a worker may withdraw its versions")
            version = tx.workers.version(worker.id, number)
            if version is None:
                raise _unknown(worker, number)
            tx.workers.set_version_state(worker.id, number, VersionState.WITHDRAWN)
            return replace(version, state=VersionState.WITHDRAWN)

        return await self._storage.write(work)


def _check_may_write(caller: Caller) -> None:
    if caller.role == Role.VIEWER:
        raise Forbidden("a viewer may not publish or withdraw; ask for the role of a member")


def _check_text(field: str, text: str | None, limit: int) -> None:
    if text is not None and (len(text) > limit or "\0" in text):
        raise InvalidRequest(f"{field} must be at most {limit} characters without NUL; shorten it")


def _publication(
    caller: Caller, project: Project, wish: _Wish, clock: Clock
) -> Callable[[Transaction], tuple[Worker, Version]]:
    """Return the transaction that writes the worker and its next version."""

    def work(tx: Transaction) -> tuple[Worker, Version]:
        now = clock.now_ms()
        worker = tx.workers.by_path(caller.account_name, wish.name)
        if worker is None:
            worker = _new_worker(caller, project, wish, now)
            tx.workers.add(worker)
        else:
            worker = _changed(worker, project, wish)
            tx.workers.update(
                worker.id,
                title=worker.title,
                description=worker.description,
                public=worker.public,
            )
            latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            if latest is not None and latest.digest == project.digest:
                return worker, latest
        numbers = [version.number for version in tx.workers.versions(worker.id)]
        version = _new_version(worker, project, next_number(numbers), now)
        tx.workers.add_version(version)
        return replace(worker, latest=version.number), version

    return work


def _new_worker(caller: Caller, project: Project, wish: _Wish, now: int) -> Worker:
    return Worker(
        id=new_ulid(),
        account_id=caller.account_id,
        owner=caller.account_name,
        name=wish.name,
        title=wish.title or project.title or wish.name,
        description=project.description if wish.description is None else wish.description,
        public=bool(wish.public),
        created_at=now,
        latest="",
    )


def _changed(worker: Worker, project: Project, wish: _Wish) -> Worker:
    description = project.description or worker.description
    return replace(
        worker,
        title=wish.title or project.title or worker.title,
        description=description if wish.description is None else wish.description,
        public=worker.public if wish.public is None else wish.public,
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


def _find(tx: Transaction, caller: Caller | None, ref: str) -> Worker:
    worker: Worker | None
    if is_ulid(ref.strip()):
        worker = tx.workers.get(ref.strip())
    else:
        owner, name = split_path(ref)
        worker = tx.workers.by_path(owner, name) if owner and name else None
    if worker is None or not _visible(worker, caller):
        raise WorkerNotFound
    return worker


def _visible(worker: Worker, caller: Caller | None) -> bool:
    return worker.public or (caller is not None and caller.account_id == worker.account_id)


def _version(tx: Transaction, worker_id: str, number: str | None) -> Version:
    worker = tx.workers.get(worker_id)
    if worker is None:
        raise WorkerNotFound
    wanted = (number or "").strip()
    if wanted in NEWEST:
        wanted = worker.latest
        if not wanted:
            raise VersionUnavailable("Worker version unavailable: no version is published")
    version = tx.workers.version(worker.id, wanted)
    if version is None:
        raise _unknown(worker, wanted)
    if version.state != VersionState.PUBLISHED:
        newest = f"; the latest is {worker.latest}" if worker.latest else ""
        raise VersionUnavailable(f"Worker version unavailable: {wanted} was withdrawn{newest}")
    return version


def _unknown(worker: Worker, number: str) -> UnknownVersion:
    newest = f"the latest is {worker.latest}" if worker.latest else "none is published"
    return UnknownVersion(f"version {number[:40]!r} does not exist; {newest}")
