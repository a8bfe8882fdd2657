"""The versions of a worker: list, comparison and changelog.

Other accounts see the versions that they may run and the changes of their schemas. The files are
visible to the worker's own account and to the operator, who reviews them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fyke.contracts.blobs import Blobs
from fyke.contracts.parsing import ParserPool
from fyke.contracts.state import Storage, Transaction
from fyke.domain.workers.archive import Archive
from fyke.domain.workers.bundles import Bundles
from fyke.domain.workers.compare import Comparison, compare
from fyke.domain.workers.declared_changes import DeclaredChange, declared_changes
from fyke.domain.workers.lookup import find_worker, owns, unknown_version
from fyke.domain.workers.schema_changes import SchemaChange, schema_changes
from fyke.model.account import Caller
from fyke.model.worker import Version, VersionEnvironment, VersionFacts, VersionState, Worker

CHANGELOG = "changelog.md"  # in the root of a project, in any case
MAX_CHANGELOG = 256 * 1024  # bytes
MAX_STEPS = 50  # versions in the changelog
_CACHED_CHANGELOGS = 128
_MAX_SMALL = 200_000  # characters of schemas; parsing them takes a few milliseconds

Schemas = tuple[str, str]  # of the input and of the output


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A version in the list. ``facts`` is None for versions published before facts existed, and
    ``environment`` for those whose dependencies were never to be installed. ``latest``: it runs
    when none is named.
    """

    version: Version
    latest: bool
    facts: VersionFacts | None
    environment: VersionEnvironment | None = None
    tags: tuple[str, ...] = ()


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

    def __init__(self, storage: Storage, blobs: Blobs, parsers: ParserPool) -> None:
        self._storage = storage
        self._bundles = Bundles(blobs, parsers)
        self._parsers = parsers
        self._changelogs: OrderedDict[str, str] = OrderedDict()

    async def list(self, caller: Caller | None, ref: str) -> tuple[Worker, list[VersionEntry]]:
        """The worker and its versions, newest first. Raise ``WorkerNotFound``."""

        def work(tx: Transaction) -> tuple[Worker, list[VersionEntry]]:
            worker, versions = _visible_versions(tx, caller, ref)
            facts = tx.worker_facts.of_versions(worker.id)
            environments = tx.environments.of_worker(worker.id)
            tags = tx.workers.tags(worker.id)
            return worker, [
                VersionEntry(
                    v,
                    v.number == worker.latest,
                    facts.get(v.number),
                    environments.get(v.number),
                    tuple(tag for tag, number in tags.items() if number == v.number),
                )
                for v in versions
            ]

        return await self._storage.read(work)

    async def environment(
        self, caller: Caller | None, ref: str, number: str
    ) -> VersionEnvironment | None:
        """Whether the dependencies of a version are installed; None as in ``VersionEntry``.

        Raise ``WorkerNotFound``, ``UnknownVersion``.
        """

        def work(tx: Transaction) -> VersionEnvironment | None:
            worker, versions = _visible_versions(tx, caller, ref)
            return tx.environments.get(_find(worker, versions, number).id)

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
            files = await self._bundles.read(worker.account_id, compare, old, new)
        declared = declared_changes(old, new)
        [changes] = await self._schema_changes(worker, [(old, new)])
        return VersionComparison(worker, old, new, changes, declared, files)

    async def schema_changes(
        self, worker: Worker, before: Version, after: Version
    ) -> tuple[SchemaChange, ...]:
        [changes] = await self._schema_changes(worker, [(before, after)])
        return changes

    async def changelog(self, caller: Caller | None, ref: str) -> Changelog:
        """Return the changes, newest first. Raise ``WorkerNotFound``, and ``VersionUnavailable``
        when the files of the latest version are gone.
        """
        worker, versions = await self._storage.read(lambda tx: _visible_versions(tx, caller, ref))
        listed = [v for v in versions if v.state is not VersionState.DRAFT]
        pairs = list(pairwise(listed[: MAX_STEPS + 1]))
        changes = await self._schema_changes(worker, [(earlier, v) for v, earlier in pairs])
        steps = [HistoryStep(v, c, first=False) for (v, _), c in zip(pairs, changes, strict=True)]
        if 0 < len(listed) <= MAX_STEPS:
            steps.append(HistoryStep(listed[-1], (), first=True))
        latest = next((v for v in versions if v.number == worker.latest), None)
        text = await self._text(worker, latest) if latest else ""
        return Changelog(worker, text, tuple(steps))

    async def _schema_changes(
        self, worker: Worker, pairs: Sequence[tuple[Version, Version]]
    ) -> Sequence[tuple[SchemaChange, ...]]:
        """The schema changes of each pair of versions; the parser pool reads large schemas."""
        schemas = [
            ((old.input_schema, old.output_schema), (new.input_schema, new.output_schema))
            for old, new in pairs
        ]
        if sum(len(text) for pair in schemas for item in pair for text in item) <= _MAX_SMALL:
            return _changes_of(schemas)
        return await self._parsers.run(worker.account_id, _changes_of, schemas)

    async def _text(self, worker: Worker, version: Version) -> str:
        """The CHANGELOG.md of a version, cached by digest because a bundle never changes."""
        cache = self._changelogs
        if version.digest not in cache:
            cache[version.digest] = await self._bundles.read(
                worker.account_id, _changelog_of, version
            )
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


def _changes_of(schemas: Sequence[tuple[Schemas, Schemas]]) -> list[tuple[SchemaChange, ...]]:
    return [schema_changes(old, new) for old, new in schemas]


def _changelog_of(archive: Archive) -> str:
    file = next((file for file in archive.files if file.path.lower() == CHANGELOG), None)
    return file.read(MAX_CHANGELOG).decode("utf-8-sig", "replace") if file else ""
