"""The versions of a worker: list, comparison and changelog.

Other accounts see the versions that they may run and the changes of their schemas. The files are
visible to the worker's own account and to the operator, who reviews them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import zip_longest

from fyke.contracts.blobs import Blobs
from fyke.contracts.state import Storage, Transaction
from fyke.domain.workers.archive import Archive
from fyke.domain.workers.bundles import Bundles
from fyke.domain.workers.compare import Comparison, compare
from fyke.domain.workers.declared_changes import DeclaredChange, declared_changes
from fyke.domain.workers.lookup import find_worker, owns, unknown_version
from fyke.domain.workers.schema_changes import SchemaChange, schema_changes
from fyke.model.account import Caller
from fyke.model.worker import Version, VersionFacts, VersionState, Worker

CHANGELOG = "changelog.md"  # in the root of a project, in any case
MAX_CHANGELOG = 256 * 1024  # bytes
MAX_STEPS = 50  # versions in the changelog
_CACHED_CHANGELOGS = 128


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A version in the list. ``facts`` is None for versions published before facts existed."""

    version: Version
    latest: bool
    facts: VersionFacts | None


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """``files`` is None for callers who may not see them."""

    worker: Worker
    before: Version
    after: Version
    schema: tuple[SchemaChange, ...]
    declared: tuple[DeclaredChange, ...]
    files: Comparison | None


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One version with its schema changes; ``first``: it has no predecessor."""

    version: Version
    changes: tuple[SchemaChange, ...]
    first: bool


@dataclass(frozen=True, slots=True)
class Changelog:
    """``text`` is the CHANGELOG.md of the latest version, ``""`` without one; ``steps`` are at most
    ``MAX_STEPS`` versions, newest first.
    """

    worker: Worker
    text: str
    steps: tuple[HistoryStep, ...]


class VersionHistory:
    """Reads the history of a worker."""

    def __init__(self, storage: Storage, blobs: Blobs) -> None:
        self._storage = storage
        self._bundles = Bundles(blobs)
        self._changelogs: OrderedDict[str, str] = OrderedDict()

    async def list(self, caller: Caller | None, ref: str) -> tuple[Worker, list[VersionEntry]]:
        """The worker and its versions, newest first. Raise ``WorkerNotFound``."""

        def work(tx: Transaction) -> tuple[Worker, list[VersionEntry]]:
            worker, versions = _visible_versions(tx, caller, ref)
            facts = tx.worker_facts.of_versions(worker.id)
            return worker, [
                VersionEntry(v, v.number == worker.latest, facts.get(v.number)) for v in versions
            ]

        return await self._storage.read(work)

    async def compare(
        self, caller: Caller | None, ref: str, before: str, after: str
    ) -> VersionComparison:
        """Return the differences between two versions.

        Raise ``WorkerNotFound``, ``UnknownVersion``, ``VersionUnavailable`` when files are gone.
        """
        worker, versions = await self._storage.read(lambda tx: _visible_versions(tx, caller, ref))
        old, new = _find(worker, versions, before), _find(worker, versions, after)
        files = None
        if owns(worker, caller) or (caller is not None and caller.operator):
            files = await self._bundles.read(compare, old, new)
        declared = declared_changes(old, new)
        return VersionComparison(worker, old, new, _changes(old, new), declared, files)

    async def changelog(self, caller: Caller | None, ref: str) -> Changelog:
        """Return the changes, newest first. Raise ``WorkerNotFound``, and ``VersionUnavailable``
        when the files of the latest version are gone.
        """
        worker, versions = await self._storage.read(lambda tx: _visible_versions(tx, caller, ref))
        listed = [v for v in versions if v.state is not VersionState.DRAFT]
        steps = tuple(
            HistoryStep(v, _changes(earlier, v) if earlier else (), first=earlier is None)
            for v, earlier in zip_longest(listed[:MAX_STEPS], listed[1 : MAX_STEPS + 1])
        )
        latest = next((v for v in versions if v.number == worker.latest), None)
        return Changelog(worker, await self._text(latest) if latest else "", steps)

    async def _text(self, version: Version) -> str:
        """The CHANGELOG.md of a version, cached by digest because a bundle never changes."""
        cache = self._changelogs
        if version.digest not in cache:
            cache[version.digest] = await self._bundles.read(_changelog_of, version)
        cache.move_to_end(version.digest)
        while len(cache) > _CACHED_CHANGELOGS:
            cache.popitem(last=False)
        return cache[version.digest]


def _visible_versions(
    tx: Transaction, caller: Caller | None, ref: str
) -> tuple[Worker, list[Version]]:
    """The worker and its versions that the caller may see, newest first."""
    worker = find_worker(tx, caller, ref)
    versions = tx.workers.versions(worker.id)
    if owns(worker, caller) or (caller is not None and caller.operator):
        return worker, versions
    return worker, [v for v in versions if v.approved and v.state is not VersionState.DRAFT]


def _find(worker: Worker, versions: list[Version], number: str) -> Version:
    version = next((v for v in versions if v.number == number), None)
    if version is None:
        raise unknown_version(worker, number)
    return version


def _changes(old: Version, new: Version) -> tuple[SchemaChange, ...]:
    return schema_changes(
        (old.input_schema, old.output_schema), (new.input_schema, new.output_schema)
    )


def _changelog_of(archive: Archive) -> str:
    file = next((file for file in archive.files if file.path.lower() == CHANGELOG), None)
    return file.read(MAX_CHANGELOG).decode("utf-8-sig", "replace") if file else ""
