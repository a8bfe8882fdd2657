"""Packed environments: made by the machines of the installation, fetched by all.

The machine that makes the environment of a version decides what code runs beside its Worker, with
its secrets, on every machine that fetches it. So archives are made only by runners beside the
stores of the installation. A node has no operation that stores one, and what it installs is never
read by others. It gets the archive of a version only while it has an attempt of that version or
prepares it, as with the bundle; the name of the blob comes from the state.

An archive is wanted as soon as several machines may need it: when an environment is ready, or when
a machine asks in vain. Installations of one machine make none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import structlog

from fyke.contracts.blobs import Blobs, Folder
from fyke.contracts.execution import DiskShort
from fyke.contracts.signals import PREPARE
from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS, refusal
from fyke.model.node import EnvironmentPlace, OrderedWorker, PreparationOrder, RunnableVersion
from fyke.model.runner import NODE_PLACE, RunnerInfo
from fyke.model.worker import (
    MAX_PREPARATION_PAUSE_MS,
    OF_PACKAGES,
    EnvironmentArchive,
    EnvironmentState,
    InstallFailure,
    VersionEnvironment,
)

_CHUNK = 2**20
_SOON_MS = 2000
# for which nodes get a failure that is of the packages: then the installation tries again, if one
# of them asks. What also depends on a login, on speed or on limits is not tried as often.
FAILURE_MS = 60_000

log = structlog.get_logger()


def archive_name(digest: str) -> str:
    """The name of the blob of a packed environment."""
    return f"{Folder.ENVIRONMENTS}/{digest}"


def want_archive(tx: Transaction, version_id: str, lost: str = "") -> None:
    """Let a runner of the installation pack the environment of a version, if there are several
    machines. ``lost`` is as in ``EnvironmentArchiveStore.want``.
    """
    if _has_several_machines(tx) and tx.environment_archives.want(version_id, lost):
        tx.notify(PREPARE)


def _has_several_machines(tx: Transaction) -> bool:
    active = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    return len({runner.node for runner in active}) > 1 or bool(tx.nodes.all())


class EnvironmentArchives:
    """The archives for one runner. ``take``, ``reuse``, ``store``, ``drop``, ``failed`` and
    ``note_failure`` implement ``EnvironmentPublishing``, and are for runners of the installation
    only.
    """

    def __init__(self, storage: Storage, blobs: Blobs, runner_id: str) -> None:
        self._storage = storage
        self._blobs = blobs
        self._runner_id = runner_id

    # --- for all machines ---------------------------------------------------------------------

    async def find(
        self, version_id: str, keys: Sequence[str], *, replaces_lost: bool = True
    ) -> EnvironmentPlace:
        """The archive of a version if it has one of these ``keys``. One that is missing is wanted
        from now on, also if its file has another size, or is not there. Without ``replaces_lost``
        the file may be in the folder of another machine, if there is one that makes archives. An
        archive with another key is replaced if a runner of the installation asks, which then has
        another interpreter than when it was packed: the keys of nodes may differ for good.

        Without an archive a node gets the reason why the installation cannot make one for its key.
        The runners of the installation do not: they find out themselves.
        """
        found = await self._storage.read(lambda tx: self._find(tx, version_id, keys))
        place, is_wanted, lost = found
        archive = place.archive
        if archive is not None:
            name = archive_name(archive.digest)
            try:
                is_damaged = await self._blobs.size(name) != archive.size
            except FileNotFoundError:
                is_wanted = replaces_lost or await self._is_nowhere_else(name)
                place, lost = EnvironmentPlace(), archive.digest
            else:
                if is_damaged:
                    await self.drop(archive.digest, time.time())
                    place, is_wanted = EnvironmentPlace(), True
        if is_wanted:
            await self._storage.write(lambda tx: want_archive(tx, version_id, lost))
        return place

    def _find(
        self, tx: Transaction, version_id: str, keys: Sequence[str]
    ) -> tuple[EnvironmentPlace, bool, str]:
        """The place, whether the archive is wanted, and the digest of one that it replaces."""
        archive = tx.environment_archives.get(version_id)
        if archive is not None and archive.digest:
            if archive.key in keys:
                return EnvironmentPlace(archive), False, ""
            is_outdated = self._runner_id in {runner.id for runner in _own_runners(tx)}
            return EnvironmentPlace(), is_outdated, archive.digest
        own = [runner for runner in _own_runners(tx) if runner.id != self._runner_id]
        makers = {runner.id for runner in own}
        if archive is not None and archive.runner_id in makers:
            return EnvironmentPlace(pending=True), False, ""
        environment = tx.environments.get(version_id)
        is_prepared = environment is not None and environment.state is EnvironmentState.PREPARING
        pending = is_prepared and environment is not None and environment.runner_id in makers
        has_several, not_before = _has_several_machines(tx), archive.not_before if archive else 0
        if archive is not None and archive.key in keys and _is_later(not_before - tx.now):
            failure, is_own = _failure(archive), self._runner_id in {r.id for r in _own_runners(tx)}
            if failure is not None and not is_own:
                return EnvironmentPlace(failure=failure), False, ""
        if has_several and not _is_later(not_before - tx.now):  # one that can make it does so soon
            pending = pending or any(not maker.draining and not maker.trouble for maker in own)
        is_wanted = has_several and (archive is None or not_before > 0)
        return EnvironmentPlace(pending=pending), is_wanted, ""

    async def _is_nowhere_else(self, name: str) -> bool:
        """Whether no other machine of the installation can have a file that is missing here."""
        if await self._blobs.url(name, 1.0, "GET") is not None:
            return True  # all machines read the same storage
        own = {self._runner_id}
        return await self._storage.read(lambda tx: {r.id for r in _own_runners(tx)} <= own)

    async def drop(self, digest: str, read_at: float) -> None:
        """Forget an archive whose file has another digest. The caller has read it since ``read_at``
        (Unix time): what a node says is no reason. Each of its versions wants one again as soon as
        a machine asks for it.
        """
        if not await self._blobs.delete_old(archive_name(digest), read_at):
            return  # it was stored again meanwhile
        log.error("packed_environment_damaged", digest=digest)
        await self._storage.write(lambda tx: tx.environment_archives.remove(digest))

    # --- for machines of the installation -----------------------------------------------------

    async def take(self) -> PreparationOrder | None:
        """See ``EnvironmentPublishing.take``."""
        if await self._storage.read(self._next) is None:
            return None
        return await self._storage.write(self._claim)

    def _next(self, tx: Transaction) -> tuple[str, str] | None:
        active = {runner.id for runner in tx.runs.runners(tx.now - RUNNER_SILENCE_MS)}
        return tx.environment_archives.wanted(active - {self._runner_id})

    def _claim(self, tx: Transaction) -> PreparationOrder | None:
        turn = self._next(tx)
        if turn is None:
            return None
        worker, version = tx.workers.get(turn[0]), tx.workers.version(*turn)
        before = tx.environment_archives.get(version.id) if version else None
        if worker is None or version is None or before is None:
            return None
        if not tx.environment_archives.claim(version.id, before.runner_id, self._runner_id):
            return None
        operator = tx.accounts.operator()
        own = operator is not None and worker.account_id == operator.id
        active = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
        return PreparationOrder(
            OrderedWorker.of(worker, is_operators=own),
            RunnableVersion.of(version),
            VersionEnvironment(version.id, EnvironmentState.READY),
            refusal([runner for runner in active if runner.id == self._runner_id], own=own),
        )

    async def reuse(self, version_id: str, key: str) -> bool:
        """See ``EnvironmentPublishing.reuse``."""
        known = await self._storage.read(lambda tx: tx.environment_archives.with_key(key))
        if known is None or not await self._blobs.exists(archive_name(known.digest)):
            return False
        own = EnvironmentArchive(version_id, key, known.digest, known.size, known.tree)
        await self._storage.write(lambda tx: tx.environment_archives.end(own, self._runner_id))
        return True

    async def store(self, archive: EnvironmentArchive, file: Path) -> None:
        """See ``EnvironmentPublishing.store``. The blob is there before the row that names it."""
        free = await asyncio.to_thread(self._blobs.free_bytes)
        if free < archive.size:
            raise DiskShort(free, archive.size)
        await self._blobs.put_stream(archive_name(archive.digest), _chunks(file))
        await self._storage.write(lambda tx: tx.environment_archives.end(archive, self._runner_id))

    async def failed(
        self, version_id: str, *, soon: bool, failure: InstallFailure | None = None
    ) -> None:
        """See ``EnvironmentPublishing.failed``."""

        def work(tx: Transaction) -> None:
            after = EnvironmentArchive(
                version_id, not_before=tx.now + (_SOON_MS if soon else MAX_PREPARATION_PAUSE_MS)
            )
            if failure is not None:
                after = _failed(version_id, failure, tx.now)
            tx.environment_archives.end(after, self._runner_id)

        await self._storage.write(work)

    async def note_failure(self, version_id: str, failure: InstallFailure) -> None:
        """See ``EnvironmentPublishing.note_failure``."""

        def work(tx: Transaction) -> None:
            if not _has_several_machines(tx):
                return
            archives = tx.environment_archives
            archives.want(version_id)
            if archives.claim(version_id, "", self._runner_id):
                archives.end(_failed(version_id, failure, tx.now), self._runner_id)

        await self._storage.write(work)


def _failed(version_id: str, failure: InstallFailure, now: int) -> EnvironmentArchive:
    """What is stored about a failure, which nodes get from now on."""
    is_of_packages = failure.reason.code in OF_PACKAGES
    return EnvironmentArchive(
        version_id,
        failure.key,
        not_before=now + (FAILURE_MS if is_of_packages else MAX_PREPARATION_PAUSE_MS),
        reason=failure.reason,
        log=failure.log,
        sources=failure.sources,
    )


def _failure(archive: EnvironmentArchive) -> InstallFailure | None:
    if archive.reason is None:
        return None
    return InstallFailure(archive.reason, archive.log, archive.key, archive.sources)


def _is_later(pause_ms: int) -> bool:
    """Whether what failed is not tried again soon. After the clock was set back it is."""
    return _SOON_MS < pause_ms <= MAX_PREPARATION_PAUSE_MS


def _own_runners(tx: Transaction) -> list[RunnerInfo]:
    """The active runners beside the stores of the installation."""
    active = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    return [runner for runner in active if not runner.place.startswith(NODE_PLACE)]


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(file.open, "rb") as stream:
        while chunk := await asyncio.to_thread(stream.read, _CHUNK):
            yield chunk
