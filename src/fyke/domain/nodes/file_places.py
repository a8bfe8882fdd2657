"""Which files a runner on another machine may read and write: those of its own work only.

It reads the bundle of the version of an attempt that it has, or of one that it prepares, by the
digest of that version, and the packed environment of that version. It writes the last page of an
attempt that it has, within the limits that pages have on one machine, and nothing else. The names
of the blobs come from the state, never from the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fyke.contracts.blobs import Blobs
from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.environment_archives import EnvironmentArchives
from fyke.domain.runs.last_pages import page_blob
from fyke.domain.workers.bundles import bundle_name, files_missing
from fyke.errors import InvalidRequest, StaleLease
from fyke.model.last_page import MAX_FILE_BYTES, MAX_PAGES, PageFileKind
from fyke.model.node import EnvironmentPlace
from fyke.model.run import Attempt, AttemptKey
from fyke.model.worker import EnvironmentState, Version


class FilePlaces:
    """``NodeFilePlaces`` of one runner."""

    def __init__(
        self, storage: Storage, blobs: Blobs, runner_id: str, *, replaces_lost: bool = True
    ) -> None:
        """``replaces_lost`` is that of ``EnvironmentArchives.find``."""
        self._replaces_lost = replaces_lost
        self._storage = storage
        self._blobs = blobs
        self._runner_id = runner_id
        self._archives = EnvironmentArchives(storage, blobs, runner_id)

    async def bundle(self, owner: AttemptKey | str, digest: str) -> str:
        """See ``NodeFilePlaces.bundle``."""
        version = await self._version(owner)
        if version.digest != digest:
            raise InvalidRequest("must be that of the version", field="digest")
        name = bundle_name(version.digest)
        if not await self._blobs.exists(name):
            raise files_missing(version.number)
        return name

    async def environment(self, owner: AttemptKey | str, keys: Sequence[str]) -> EnvironmentPlace:
        """See ``NodeFilePlaces.environment``."""
        version = await self._version(owner)
        return await self._archives.find(version.id, keys, replaces_lost=self._replaces_lost)

    async def drop_environment(self, digest: str, read_at: float) -> None:
        """See ``EnvironmentArchives.drop``. Not for nodes."""
        await self._archives.drop(digest, read_at)

    async def _version(self, owner: AttemptKey | str) -> Version:
        def work(tx: Transaction) -> Version:
            if isinstance(owner, str):
                return self._prepared(tx, owner)
            return self._executed(tx, owner)

        return await self._storage.read(work)

    async def page(
        self, key: AttemptKey, sizes: Mapping[PageFileKind, int]
    ) -> Mapping[PageFileKind, str]:
        """See ``NodeFilePlaces.page``."""
        for kind, size in sizes.items():
            if not 0 <= size <= MAX_FILE_BYTES[kind]:
                rule = f"must have at most {MAX_FILE_BYTES[kind]} bytes"
                raise InvalidRequest(rule, field=kind.value)

        def work(tx: Transaction) -> int:
            return tx.last_pages.count(self._attempt(tx, key).run_id)

        if await self._storage.read(work) >= MAX_PAGES:
            raise InvalidRequest(f"The run has {MAX_PAGES} last pages already")
        return {kind: page_blob(key.id, kind) for kind in sizes}

    def _attempt(self, tx: Transaction, key: AttemptKey) -> Attempt:
        """The attempt, if this runner has it. Raise ``StaleLease``."""
        attempt = tx.runs.attempt(key.id)
        if attempt is None or attempt.outcome is not None:
            raise StaleLease
        if (attempt.runner_id, attempt.token) != (self._runner_id, key.token):
            raise StaleLease
        return attempt

    def _executed(self, tx: Transaction, key: AttemptKey) -> Version:
        """The version of an attempt that this runner has. Raise ``StaleLease``."""
        run = tx.runs.get(self._attempt(tx, key).run_id)
        if run is None:
            raise StaleLease
        version = tx.workers.version(run.worker_id, run.version)
        if version is None:
            raise files_missing(run.version)
        return version

    def _prepared(self, tx: Transaction, version_id: str) -> Version:
        """The version, if this runner prepares it. Raise ``StaleLease``."""
        environment, version = tx.environments.get(version_id), tx.workers.version_by_id(version_id)
        if environment is None or environment.state is not EnvironmentState.PREPARING:
            raise StaleLease
        if environment.runner_id != self._runner_id or version is None:
            raise StaleLease
        return version
