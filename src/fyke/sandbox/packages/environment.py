"""Dependency environments: built once per content, sealed, and shared read-only by sandboxes.

The key of an environment is the SHA-256 of everything that determines its content (interpreter,
platform, the normalised requirements, the platform's base set), so two Workers with the same
dependencies share a folder. Across accounts they share it only where the key determines every byte;
otherwise, and whenever packages run code during installation, the account is part of the key.

Where the installation has packed it already, it is fetched instead, see ``environment_archive``.
A tool in a separate sandbox installs the packages. Its result is checked, moved, and sealed by a
digest that is verified before another Worker gets the environment.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import structlog

from fyke.contracts.execution import (
    DiskShort,
    Environment,
    EnvironmentFailed,
    FetchEnvironment,
    RefuseEnvironment,
    RegistryAway,
    SandboxFault,
)
from fyke.contracts.tools import ToolRunner
from fyke.kit.file_lock import locked
from fyke.kit.files import room_beside
from fyke.model.node import RunnableVersion, environment_name
from fyke.model.worker import (
    ENVIRONMENT_FREE_BYTES,
    MAX_ARCHIVE_BYTES,
    EnvironmentArchive,
    InstallFailure,
    Language,
)
from fyke.reasons import Reason, ReasonCode
from fyke.sandbox.isolation import relay_files
from fyke.sandbox.packages import environment_archive, sealing
from fyke.sandbox.packages.environment_go import GoInstaller
from fyke.sandbox.packages.environment_node import NodeInstaller
from fyke.sandbox.packages.environment_python import PythonInstaller
from fyke.sandbox.packages.fetching import (
    NOT_FETCHED,
    OtherMachines,
    fetch_in_time,
    is_wrong,
    new_file,
)
from fyke.sandbox.packages.held import HeldEnvironments
from fyke.sandbox.packages.installer import (
    DISK_FULL,
    DISK_FULL_ERRORS,
    InstallLimits,
    InstallTerms,
    LockOutOfStep,
    PackageInstaller,
)
from fyke.sandbox.packages.known_failures import applies_here, failure_for_others
from fyke.sandbox.packages.recipes import Recipe, archive_key, environment_key, with_fallback
from fyke.sandbox.process.folders import check_disk

log = structlog.get_logger()

MAX_BYTES = 2 * 2**30
FREE_BYTES = ENVIRONMENT_FREE_BYTES
CONTENT = "env"  # the folder that is mounted
LOG = "install.log"
SEAL = "seal.json"
LOCKS = ".locks"  # a file for each environment: exclusive while it is built or removed
BUILDING = ".build-"  # with a key, the name of the folder of an unfinished environment
CHANGED = ".changed-"  # and of one whose files have changed since it was sealed

FETCHING = "fetch-"  # with a key, its lock while it is fetched

_LOCK_WAIT = 0.05  # seconds between two tries to take a lock


class UvEnvironments:
    """Implements ``Environments`` with uv for Python, npm for Node.js, and go for Go source.

    Environments are stored in ``root``, on the file system of the work folders. ``python`` is the
    interpreter in sandboxes, ``seconds`` the time limit of one installer, ``environ`` the source of
    the package clients' settings. Packages are fetched through ``region``; ``upstream`` is whether
    it has a proxy.
    """

    def __init__(
        self,
        root: Path,
        tools: ToolRunner,
        python: str = "/usr/bin/python3",
        seconds: float = 600,
        *,
        max_bytes: int = MAX_BYTES,
        environ: Mapping[str, str] | None = None,
        region: str = "",
        upstream: bool = False,
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        settings = dict(os.environ) if environ is None else dict(environ)
        package_installer = PackageInstaller(
            tools, InstallLimits(seconds, max_bytes), region=region, upstream=upstream
        )
        self._package_installer = package_installer
        self._python = PythonInstaller(package_installer, settings, python)
        self._node = NodeInstaller(package_installer, settings)
        self._go = GoInstaller(package_installer, settings)
        self._held = HeldEnvironments(root)
        self._trusted: set[tuple[str, str]] = set()  # key and Worker with a verified seal
        self._callers: Counter[str] = Counter()  # that build an environment or wait for it, by key
        self._failures: dict[str, tuple[float, EnvironmentFailed]] = {}  # until no caller is left

    def route(self, region: str, *, upstream: bool) -> None:
        """From the next installation on, fetch packages through another region."""
        self._package_installer.route(region, upstream=upstream)

    def check_room(self) -> None:
        """Raise ``DiskShort`` when less than ``FREE_BYTES`` is left, which runs need."""
        self._prepare_root()
        check_disk(self._root, FREE_BYTES)

    async def ensure(
        self,
        version: RunnableVersion,
        bundle: Path,
        account_id: str,
        builds_allowed: bool,
        fetch: FetchEnvironment | None = None,
        refuse: RefuseEnvironment | None = None,
    ) -> Environment:
        """Return the environment of a version, fetched or built when it does not exist yet.

        ``bundle`` is the unpacked project, ``account_id`` the owner of the Worker,
        ``builds_allowed`` whether packages may run code during installation. Raise
        ``EnvironmentFailed``.
        """
        others = OtherMachines(fetch, refuse) if fetch is not None else None
        environment = await self._ensure(version, bundle, account_id, builds_allowed, others)
        key = environment.path.parent.name if environment.path else ""
        name = environment_name(account_id, version)
        await asyncio.to_thread(self._held.note, name, key)
        return environment

    async def held(self) -> tuple[str, ...]:
        """See ``Environments.held``."""
        return await asyncio.to_thread(self._held.names)

    async def _ensure(
        self,
        version: RunnableVersion,
        bundle: Path,
        account_id: str,
        builds_allowed: bool,
        others: OtherMachines | None,
    ) -> Environment:
        # building Go runs no code of the project
        builds = version.builds and version.language != Language.GO
        if builds and not builds_allowed:
            raise EnvironmentFailed(Reason(ReasonCode.BUILDS_NOT_ALLOWED))
        recipe = await self._recipe(version, bundle)
        if recipe is None:
            return Environment(None, "")
        terms = InstallTerms(account_id, builds)
        existing = await self._find(recipe, terms, version.worker_id)
        if existing is not None:
            return existing
        if others is not None and not builds:
            fetched = await self._find_or_fetch(recipe, terms, version.worker_id, others)
            if fetched is not None:
                return fetched
        try:
            return await self._find_or_build_either(recipe, terms, version.worker_id)
        except RegistryAway:
            if others is None or others.failure is None:
                raise
            raise EnvironmentFailed(others.failure.reason, others.failure.log) from None

    async def _find(
        self, recipe: Recipe, terms: InstallTerms, worker_id: str
    ) -> Environment | None:
        """Return the existing environment of a recipe or of its fallback."""
        for item in with_fallback(recipe):
            existing = await asyncio.to_thread(
                self._look_up, environment_key(item, terms), worker_id
            )
            if existing is not None:
                return replace(existing, warning=item.warning)
        return None

    async def _find_or_build(
        self, recipe: Recipe, terms: InstallTerms, worker_id: str
    ) -> Environment:
        key = environment_key(recipe, terms)
        self._prepare_root()
        async with self._turn(key):
            existing = await asyncio.to_thread(self._existing, key, worker_id)
            environment = existing or await self._build(key, recipe, terms, worker_id)
        return replace(environment, warning=recipe.warning)

    async def _find_or_build_either(
        self, recipe: Recipe, terms: InstallTerms, worker_id: str
    ) -> Environment:
        """``_find_or_build`` with the recipe or, if its lock file does not match, its fallback."""
        try:
            return await self._find_or_build(recipe, terms, worker_id)
        except LockOutOfStep:
            if recipe.fallback is None:
                raise
            return await self._find_or_build(recipe.fallback, terms, worker_id)

    # --- other machines -----------------------------------------------------------------------

    async def _find_or_fetch(
        self, recipe: Recipe, terms: InstallTerms, worker_id: str, others: OtherMachines
    ) -> Environment | None:
        """Return the environment of a recipe or of its fallback as another machine has packed it.
        None if there is none, or it cannot be used: then it is built here.
        """
        recipes = {archive_key(item, terms): item for item in with_fallback(recipe)}
        self._prepare_root()
        async with self._locked(FETCHING + environment_key(recipe, terms)):
            existing = await self._find(recipe, terms, worker_id)
            if existing is not None:
                return existing
            packed = await asyncio.to_thread(new_file, self._root)
            archive, began = None, time.time()
            try:
                await asyncio.to_thread(self.check_room)
                place = await fetch_in_time(others.fetch, tuple(recipes), packed)
                archive, others.failure = place.archive, place.failure
                if place.failure is not None and await applies_here(place.failure, recipe):
                    raise EnvironmentFailed(place.failure.reason, place.failure.log)
                if archive is None:
                    return None
                item = recipes[archive.key]
                await self._place(item, terms, worker_id, archive, packed)
            except OSError as error:
                if error.errno in DISK_FULL_ERRORS:
                    raise EnvironmentFailed(DISK_FULL) from None
                log.warning("environment_not_fetched", problem=repr(error))
                return None
            except NOT_FETCHED as error:
                log.warning("environment_not_fetched", problem=str(error))
                if archive is not None and is_wrong(error):
                    await others.drop(archive.digest, began)
                return None
            finally:
                await asyncio.to_thread(packed.unlink, missing_ok=True)
            return await self._find(recipe, terms, worker_id)

    async def _place(
        self,
        recipe: Recipe,
        terms: InstallTerms,
        worker_id: str,
        archive: EnvironmentArchive,
        packed: Path,
    ) -> None:
        """Unpack a file that has the digest of the archive. Raise ``BadArchive``."""
        key = environment_key(recipe, terms)
        building = self._root / f"{BUILDING}{key}"

        def place() -> bool | None:
            # here, because a caller that is cancelled does not wait for this thread; and without
            # waiting, because others need the threads
            with locked(self._root / LOCKS / key, wait=False) as free:
                if not free:
                    return None
                return self._existing(key, worker_id) is None and unpack()

        def unpack() -> bool:
            try:
                _make_empty(building)
                room = room_beside(self._root, FREE_BYTES)
                if room < archive.size:
                    raise environment_archive.TooLarge("the disk has too little free space")
                most = min(room, self._max_bytes)
                environment_archive.unpack(packed, building, recipe.links, most)
                if sealing.seal(building / CONTENT).digest != archive.tree:
                    raise environment_archive.BadArchive("its files are not those that were packed")
                _seal(building, (building / LOG).read_text("utf-8", "replace"))
                self._replace(building, key)
            finally:
                shutil.rmtree(building, ignore_errors=True)
            self._trusted.add((key, worker_id))
            return True

        placed = await asyncio.to_thread(place)
        while placed is None:  # until another process is done
            await asyncio.sleep(_LOCK_WAIT)
            placed = await asyncio.to_thread(place)
        if placed:
            log.info("environment_fetched", key=key, bytes=archive.size)

    async def key(self, version: RunnableVersion, bundle: Path, account_id: str) -> str:
        """See ``Environments.key``."""
        found = await self._packable(version, bundle, account_id)
        return "" if found is None else archive_key(*found)

    async def failure_for_others(
        self, version: RunnableVersion, bundle: Path, account_id: str, failed: EnvironmentFailed
    ) -> InstallFailure | None:
        """See ``Environments.failure_for_others``."""
        if version.builds and version.language != Language.GO:
            return None
        try:
            recipe = await self._recipe(version, bundle)
        except (EnvironmentFailed, SandboxFault):
            return None  # every machine finds that out without a registry
        if recipe is None:
            return None
        key = archive_key(recipe, InstallTerms(account_id, builds=False))
        return await failure_for_others(failed, key, recipe)

    async def pack(
        self, version: RunnableVersion, bundle: Path, account_id: str, target: Path
    ) -> EnvironmentArchive | None:
        """See ``Environments.pack``."""
        found = await self._packable(version, bundle, account_id)
        if found is None:
            return None
        recipe, terms = found
        folder = self._root / environment_key(recipe, terms)

        def pack() -> EnvironmentArchive:
            check_disk(target.parent, FREE_BYTES)
            seal = sealing.read(folder / SEAL)
            room = room_beside(target.parent, FREE_BYTES)
            try:
                if seal is None or sealing.read_tree(folder / CONTENT) != seal:
                    raise environment_archive.BadArchive("its files have changed")
                most = min(room, MAX_ARCHIVE_BYTES)
                environment_archive.pack(folder, target, recipe.links, most)
            except environment_archive.TooLarge as error:
                if room < MAX_ARCHIVE_BYTES:
                    raise DiskShort(room, MAX_ARCHIVE_BYTES) from None
                reason = Reason.of(ReasonCode.PACKAGES_REFUSED, detail=str(error))
                raise EnvironmentFailed(reason) from None
            except environment_archive.BadArchive as error:
                reason = Reason.of(ReasonCode.PACKAGES_REFUSED, detail=str(error))
                raise EnvironmentFailed(reason) from None
            with target.open("rb", buffering=0) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            key, size = archive_key(recipe, terms), target.stat().st_size
            return EnvironmentArchive(version.id, key, digest, size, seal.digest)

        async with self._locked(folder.name):
            return await asyncio.to_thread(pack)

    async def _packable(
        self, version: RunnableVersion, bundle: Path, account_id: str
    ) -> tuple[Recipe, InstallTerms] | None:
        """The recipe of the environment that exists. What was built by code of packages may depend
        on the processor, and stays on its machine.
        """
        recipe = await self._recipe(version, bundle)
        if recipe is None or (version.builds and version.language != Language.GO):
            return None
        terms = InstallTerms(account_id, builds=False)
        for item in with_fallback(recipe):
            if await asyncio.to_thread((self._root / environment_key(item, terms) / SEAL).exists):
                return item, terms
        return None

    # --- this machine -------------------------------------------------------------------------

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of a key. A build that has failed while this call waited for it is not
        repeated: its failure is raised.
        """
        began = time.monotonic()
        self._callers[key] += 1
        try:
            async with self._locked(key):
                failed_at, failure = self._failures.get(key, (0.0, None))
                if failure is not None and failed_at > began:
                    raise type(failure)(failure.reason, failure.log)
                try:
                    yield
                except EnvironmentFailed as failed:
                    self._failures[key] = time.monotonic(), failed
                    raise
        finally:
            self._callers[key] -= 1
            if not self._callers[key]:
                del self._callers[key]
                self._failures.pop(key, None)

    async def _recipe(self, version: RunnableVersion, bundle: Path) -> Recipe | None:
        """Return how to build the environment, or None when the project needs none."""
        if version.language == Language.PYTHON:
            return await self._python.recipe(version.requirements)
        if version.language == Language.NODE:
            return await self._node.recipe(bundle)
        return await self._go.recipe(version, bundle)

    async def keys(self, version: RunnableVersion, bundle: Path, account_id: str) -> frozenset[str]:
        """The names of the environments that ``ensure`` may use. Raise ``EnvironmentFailed``."""
        recipe = await self._recipe(version, bundle)
        if recipe is None:
            return frozenset()
        terms = InstallTerms(account_id, version.builds and version.language != Language.GO)
        return frozenset(environment_key(item, terms) for item in with_fallback(recipe))

    def _look_up(self, key: str, worker_id: str) -> Environment | None:
        """Like ``_existing``, but None while the environment is built or removed."""
        try:
            with locked(self._root / LOCKS / key, shared=True, wait=False) as free:
                return self._existing(key, worker_id) if free else None
        except FileNotFoundError:
            return None  # nothing was built yet

    def _existing(self, key: str, worker_id: str) -> Environment | None:
        """Return an existing environment whose content still matches its seal."""
        folder = self._root / key
        seal = sealing.read(folder / SEAL)
        if seal is None or not (folder / CONTENT).is_dir():
            return None
        if (key, worker_id) not in self._trusted:
            if sealing.read_tree(folder / CONTENT) != seal:
                log.error("environment_changed", key=key)
                return None
            with suppress(OSError):  # a full disk; it is tried again by the next process
                relay_files.write_needs(folder / CONTENT)  # an older release has not
            self._trusted.add((key, worker_id))
        with suppress(OSError):
            os.utime(folder)  # when it was used, for ``fyke prune`` on a node
        return Environment(folder / CONTENT, (folder / LOG).read_text("utf-8"))

    def _prepare_root(self) -> None:
        for folder in (self._root, self._root / LOCKS):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of a key. The installer's sandbox ends with this process, so it never
        runs without the lock.
        """
        while True:
            with locked(self._root / LOCKS / key, wait=False) as free:
                if free:
                    yield
                    return
            await asyncio.sleep(_LOCK_WAIT)

    async def _build(
        self, key: str, recipe: Recipe, terms: InstallTerms, worker_id: str
    ) -> Environment:
        building = self._root / f"{BUILDING}{key}"
        output = ""
        try:
            await asyncio.to_thread(_make_empty, building)
            output = await recipe.install(building, building / CONTENT, terms)
            await asyncio.to_thread(_seal, building, output)
            await asyncio.to_thread(self._replace, building, key)
        except OSError as error:
            if error.errno not in DISK_FULL_ERRORS:
                raise
            raise EnvironmentFailed(DISK_FULL, output) from None
        finally:
            await asyncio.to_thread(shutil.rmtree, building, True)
        self._trusted.add((key, worker_id))
        return Environment(self._root / key / CONTENT, output)

    def _replace(self, building: Path, key: str) -> None:
        """Move a new environment to its folder and remove one that was changed there. Running
        sandboxes keep the files of the old one.
        """
        folder = self._root / key
        if folder.exists():
            aside = self._root / f"{CHANGED}{key}"
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        building.rename(folder)


def _seal(building: Path, output: str) -> None:
    """Seal the content; keep only content, seal, log and what its packages need to start a browser,
    readable for all users.
    """
    for child in building.iterdir():
        if child.name != CONTENT:
            shutil.rmtree(child) if child.is_dir() else child.unlink()
    sealing.write(building / SEAL, sealing.seal(building / CONTENT))
    relay_files.write_needs(building / CONTENT)
    (building / LOG).write_text(output, "utf-8")
    (building / LOG).chmod(0o644)
    building.chmod(0o755)


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
