"""Finds and removes files that nothing needs, even while runs start.

Whatever a version needs is kept: its bundle, its unpacked bundle and its environment. A version is
in the state before they are looked up for a start, and the lookup shares a lock with this module.
So each removal takes that lock, reads the state again, and only then decides. A folder is renamed
first, and deleted after the lock was released.

Package caches, downloads and work folders are kept while their own lock, or the lock of the
installation, is taken. ``fyke.app.node_prune`` is for the folder of a node, which has no state.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from fyke.app.blobs import open_blobs, own_blobs, require_place
from fyke.app.folder_size import folder_size
from fyke.app.restored import refuse_restored
from fyke.app.runner import open_environments
from fyke.app.state import addresses
from fyke.contracts.blobs import Blobs, Folder
from fyke.contracts.execution import EnvironmentFailed, SandboxFault
from fyke.contracts.tools import ToolRun, ToolSpec
from fyke.domain.results.export.formats import PREFIX as WORKBOOK
from fyke.domain.results.export.spool import (
    folders_of_ended_processes,
    remove_folder_of_ended_process,
)
from fyke.domain.runs.environment_archives import archive_name
from fyke.domain.workers.archive import unpack
from fyke.domain.workers.bundles import bundle_name
from fyke.kit.file_lock import locked
from fyke.model.node import RunnableVersion
from fyke.model.worker import Language, Version
from fyke.reasons import ReasonCode
from fyke.runner.bundles import LOCK as BUNDLES_LOCK
from fyke.sandbox.isolation.cgroups import abandoned_groups
from fyke.sandbox.packages.environment import BUILDING, LOCKS
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.tools.caches import ToolCaches
from fyke.sandbox.tools.tool_paths import CACHES
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import PARTS
from fyke.storage.sql.dialects import for_reading, make_engine
from fyke.storage.sql.page_files import page_files
from fyke.storage.sql.sealed_files import named_files
from fyke.storage.sql.state.references import (
    StartableVersion,
    needed_archives,
    needed_bundles,
    startable_versions,
)
from fyke.storage.sql.state.workers import SqlWorkers

PUSH_SECONDS = 3600.0  # a blob may be stored before what needs it; no push takes that long
TEMPORARY_SECONDS = 86_400.0  # a temporary file that is older is in use by no process
PRUNED = ".pruned-"


class Kind(StrEnum):
    """The kind of a file or folder to remove."""

    BUNDLE = "bundle"  # belongs to no version
    ROWS = "rows"  # belongs to no run
    PAGE = "last page"  # a file of one that is not stored
    PACKED = "packed environment"  # belongs to no version that can be started
    UNPACKED = "unpacked bundle"
    ENVIRONMENT = "environment"
    PACKAGES = "package cache"
    DOWNLOAD = "download"  # left by a killed server
    TEMPORARY = "temporary file"  # left by a killed process
    WORK = "work folder"
    GROUP = "control group"


@dataclass(frozen=True, slots=True)
class Removable:
    """A file or folder to remove. ``size`` in bytes."""

    kind: Kind
    path: Path
    size: int

    @property
    def place(self) -> str:
        """The path; of a blob in S3, its URL."""
        return re.sub(r"^s3:/(?!/)", "s3://", str(self.path))


class UnknownNeed(Exception):
    """The environments that the versions need cannot be determined here; the message says why."""


class Prune:
    """Finds and removes what the owner of the data folder can remove."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = make_engine(addresses(settings).state, durable=False, pool_size=1)
        self._rows_engine = make_engine(addresses(settings).results, durable=False, pool_size=1)
        self._environments = open_environments(settings, _NoTools())
        self._keys: dict[StartableVersion, frozenset[str]] = {}
        self.kept = ""  # why environments are kept although no version may need them

    @cached_property
    def _blobs(self) -> Blobs:
        """Opened by the user who acts, because that may create a folder."""
        return open_blobs(self._settings)

    def close(self) -> None:
        self._engine.dispose()
        self._rows_engine.dispose()

    async def find(self) -> list[Removable]:
        """What can be removed now. Raises ``SQLAlchemyError``, and ``Conflict`` if the blobs are
        not those of the installation, or may be needed by the original of a restored copy.
        """
        refuse_restored(self._settings)
        await require_place(self._settings, self._engine, self._blobs)
        startable = self._startable()
        digests = {version.digest for version in startable}
        return [
            *await self._bundles(),
            *await self._rows(),
            *await self._pages(),
            *await self._packed(),
            *self._unpacked(digests),
            *await self._unused_environments(startable),
            *temporary_files(self._settings),
        ]

    async def remove(self, item: Removable) -> bool:
        """Remove the item, unless it is needed by now. Return whether it was removed."""
        try:
            return await self._remove(item)
        except FileNotFoundError:
            return False  # another process has removed it

    async def _remove(self, item: Removable) -> bool:
        if item.kind is Kind.BUNDLE:
            return await self._remove_bundle(item.path.name)
        if item.kind is Kind.ROWS:
            blob = f"{Folder.ROWS}/{item.path.name}"
            if blob in self._named_files():
                return False
            return await self._blobs.delete_old(blob, time.time() - PUSH_SECONDS)
        if item.kind is Kind.PAGE:
            return await self._remove_page(f"{Folder.PAGES}/{item.path.name}")
        if item.kind is Kind.PACKED:
            return await self._remove_packed(item.path.name)
        if item.kind is Kind.UNPACKED:
            return self._remove_unpacked(item.path)
        if item.kind is Kind.ENVIRONMENT:
            return await self._remove_environment(item.path)
        if item.kind is Kind.DOWNLOAD:
            return remove_folder_of_ended_process(item.path)
        delete(item.path)
        return True

    # --- the state ----------------------------------------------------------------------------

    def _startable(self) -> set[StartableVersion]:
        with for_reading(self._engine).connect() as connection, connection.begin():
            return startable_versions(connection)

    def _needed(self) -> set[str]:
        with for_reading(self._engine).connect() as connection, connection.begin():
            return needed_bundles(connection)

    # --- bundles --------------------------------------------------------------------------------

    async def _bundles(self) -> list[Removable]:
        needed = self._needed()
        old = await self._old(Folder.BUNDLES, Kind.BUNDLE)
        return [item for item in old if item.path.name not in needed]

    async def _remove_bundle(self, digest: str) -> bool:
        """Remove a bundle that no version needs. A publication stores the bundle, writes the
        version, and then looks whether the bundle is still there. So a version that was written
        before the second look here gets its bundle back here, and a later one there.
        """
        if digest in self._needed():
            return False
        name = bundle_name(digest)
        data = await self._blobs.get(name)
        if not await self._blobs.delete_old(name, time.time() - PUSH_SECONDS):
            return False
        if digest in self._needed():
            await self._blobs.put(name, data)
            return False
        return True

    async def _rows(self) -> list[Removable]:
        """Files with rows that a killed process has left. They are listed before the names are
        read, because a file is named before it is written.
        """
        old = await self._old(Folder.ROWS, Kind.ROWS)
        named = self._named_files() if old else set()
        return [item for item in old if f"{Folder.ROWS}/{item.path.name}" not in named]

    async def _pages(self) -> list[Removable]:
        """Files of last pages that a killed process has left: they are stored before the end of
        their attempt, seconds at most.
        """
        old = await self._old(Folder.PAGES, Kind.PAGE)
        named = self._named_pages() if old else set()
        return [item for item in old if f"{Folder.PAGES}/{item.path.name}" not in named]

    async def _remove_page(self, blob: str) -> bool:
        if blob in self._named_pages():
            return False
        return await self._blobs.delete_old(blob, time.time() - PUSH_SECONDS)

    async def _packed(self) -> list[Removable]:
        """Packed environments that no version needs. One that is made again in this moment may be
        removed: a machine that misses it wants it again, and installs the dependencies itself.
        """
        old = await self._old(Folder.ENVIRONMENTS, Kind.PACKED)
        needed = self._needed_archives() if old else set()
        return [item for item in old if item.path.name not in needed]

    async def _remove_packed(self, digest: str) -> bool:
        if digest in self._needed_archives():
            return False
        return await self._blobs.delete_old(archive_name(digest), time.time() - PUSH_SECONDS)

    def _needed_archives(self) -> set[str]:
        with for_reading(self._engine).connect() as connection, connection.begin():
            return needed_archives(connection)

    async def _old(self, folder: Folder, kind: Kind) -> list[Removable]:
        before = time.time() - PUSH_SECONDS
        return [item for item, at in await self._stored(folder, kind) if at < before]

    async def _stored(self, folder: Folder, kind: Kind) -> list[tuple[Removable, float]]:
        """The blobs in a folder, sorted, and when they were stored."""
        root = Path(self._settings.blobs_url or self._settings.blobs_dir)
        blobs = [blob async for blob in own_blobs(self._blobs, [folder])]
        blobs.sort(key=lambda blob: blob.name)
        return [(Removable(kind, root / blob.name, blob.size), blob.stored_at) for blob in blobs]

    def _named_pages(self) -> set[str]:
        with for_reading(self._engine).connect() as connection, connection.begin():
            return {file.blob for file in page_files(connection.exec_driver_sql)}

    def _named_files(self) -> set[str]:
        with for_reading(self._rows_engine).connect() as connection, connection.begin():
            return named_files(connection.exec_driver_sql)

    def _unpacked(self, digests: set[str]) -> Iterator[Removable]:
        for path in children(self._settings.bundles_dir):
            if not path.name.startswith(".") and path.name not in digests:
                yield removable(Kind.UNPACKED, path)

    def _remove_unpacked(self, path: Path) -> bool:
        with locked(path.parent / BUNDLES_LOCK):
            if path.name in {version.digest for version in self._startable()}:
                return False
            aside = rename_aside(path)
        delete(aside)
        return True

    # --- environments ---------------------------------------------------------------------------

    async def _unused_environments(self, startable: set[StartableVersion]) -> list[Removable]:
        root = self._settings.environments_dir
        try:
            keys = await self._needed_keys(startable)
        except UnknownNeed as error:
            self.kept = str(error)
            return []
        return [
            removable(Kind.ENVIRONMENT, path)
            for path in children(root)
            if path.name.removeprefix(BUILDING) not in keys and is_environment(path)
        ]

    async def _remove_environment(self, path: Path) -> bool:
        key = path.name.removeprefix(BUILDING)
        (path.parent / LOCKS).mkdir(mode=0o755, exist_ok=True)
        with locked(path.parent / LOCKS / key, wait=False) as free:
            if not free:
                return False  # it is being built
            if path.name == key and key in await self._needed_keys(self._startable()):
                return False
            aside = rename_aside(path)
        delete(aside)
        return True

    async def _needed_keys(self, startable: Iterable[StartableVersion]) -> set[str]:
        """The environments of these versions. Raises ``UnknownNeed``."""
        keys: set[str] = set()
        for version in startable:
            if version not in self._keys:
                self._keys[version] = await self._keys_of(version)
            keys |= self._keys[version]
        return keys

    async def _keys_of(self, startable: StartableVersion) -> frozenset[str]:
        with for_reading(self._engine).connect() as connection, connection.begin():
            version = SqlWorkers(connection).version(startable.worker_id, startable.number)
        if version is None:
            return frozenset()
        try:
            async with self._folder_of(version) as folder:
                return await self._environments.keys(
                    RunnableVersion.of(version), folder, startable.account_id
                )
        except FileNotFoundError:
            return frozenset()  # without its bundle it cannot be started
        except SandboxFault as error:
            raise UnknownNeed(f"Environments are kept: {error}") from None
        except EnvironmentFailed as error:
            if error.reason.code is ReasonCode.INSTALLER_MISSING:
                raise UnknownNeed(f"Environments are kept: {error}") from None
            return frozenset()  # nothing can be installed for it

    @contextlib.asynccontextmanager
    async def _folder_of(self, version: Version) -> AsyncIterator[Path]:
        """The unpacked project, which Python does not need. Raises ``FileNotFoundError``."""
        folder = self._settings.bundles_dir / version.digest
        if folder.is_dir() or version.language is Language.PYTHON:
            yield folder
            return
        data = await self._blobs.get(bundle_name(version.digest))
        with tempfile.TemporaryDirectory(dir=self._settings.scratch_dir) as scratch:
            unpack(data, Path(scratch) / version.digest)
            yield Path(scratch) / version.digest


class SharedPrune:
    """Finds and removes files of the launcher if root has started Fyke; then run by root, otherwise
    by the owner of the data folder.
    """

    def __init__(self, settings: Settings) -> None:
        self._work = settings.work_dir
        self._caches = settings.home / CACHES
        self._lock = settings.up_lock

    def find(self) -> list[Removable]:
        """What can be removed now; work folders only while Fyke is stopped."""
        items = [removable(Kind.PACKAGES, path) for path in children(self._caches)]
        with self._stopped() as stopped:
            work = children(self._work) if stopped else ()
            items += [removable(Kind.WORK, path) for path in work]
        items += [Removable(Kind.GROUP, path, 0) for path in abandoned_groups()]
        return [item for item in items if _is_ours(item.path)]

    def remove(self, item: Removable) -> bool:
        """Remove the item, unless it is in use now. Return whether it was removed."""
        if item.kind is Kind.GROUP:
            with contextlib.suppress(OSError):  # in use again
                item.path.rmdir()
            return not item.path.exists()
        if item.kind is Kind.PACKAGES:
            caches = ToolCaches(self._caches)
            try:
                return caches.remove(item.path.name)
            finally:
                caches.close()
        with self._stopped() as stopped:
            if stopped:
                folders = WorkFolders(self._work)
                folders.remove(item.path.name)
                folders.close()
            return stopped

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[bool]:
        """Keep Fyke from starting; yield False while it is running."""
        if not self._lock.exists():
            yield True
            return
        with locked(self._lock, wait=False) as stopped:
            yield stopped


def temporary_files(settings: Settings) -> Iterator[Removable]:
    """Temporary files of processes that were killed."""
    before = time.time() - TEMPORARY_SECONDS
    for path in folders_of_ended_processes(settings.downloads_dir):
        yield removable(Kind.DOWNLOAD, path)
    folders = settings.scratch_dir, settings.bundles_dir, settings.environments_dir
    for folder in (*folders, settings.blobs_dir / PARTS):
        for path in children(folder):
            is_ours = path.name.startswith((".", WORKBOOK, "copy-of-", "tmp"))
            kept = path.name in (BUNDLES_LOCK, LOCKS) or path.name.startswith(BUILDING)
            if is_ours and not kept and is_older(path, before):
                yield removable(Kind.TEMPORARY, path)


class _NoTools:
    """Nothing is installed here: only the names of environments are computed."""

    def run(self, spec: ToolSpec) -> AbstractAsyncContextManager[ToolRun]:
        raise NotImplementedError


def children(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        return sorted(folder.iterdir())
    return []


def is_environment(path: Path) -> bool:
    return path.name.startswith(BUILDING) or not path.name.startswith(".")


def is_older(path: Path, before: float) -> bool:
    try:
        return path.lstat().st_mtime < before
    except FileNotFoundError:
        return False


def _is_ours(path: Path) -> bool:
    try:
        return os.geteuid() in (0, path.lstat().st_uid)
    except FileNotFoundError:
        return False


def removable(kind: Kind, path: Path) -> Removable:
    if path.is_dir() and not path.is_symlink():
        return Removable(kind, path, folder_size(path.name, "", path).bytes)
    with contextlib.suppress(FileNotFoundError):
        return Removable(kind, path, path.lstat().st_size)
    return Removable(kind, path, 0)


def rename_aside(path: Path) -> Path:
    aside = path.with_name(f"{PRUNED}{path.name}-{secrets.token_hex(4)}")
    path.rename(aside)
    return aside


def delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
