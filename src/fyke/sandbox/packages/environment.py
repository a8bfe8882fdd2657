"""Dependency environments: built once per content, sealed, shared read-only by boxes.

The key of an environment is the SHA-256 of all that decides what is in it (interpreter,
platform, the normalised requirements, the platform's own base set), so two Workers that ask for
the same get the same folder. Across accounts they do so only where that decides every byte: the
account is part of the key otherwise, and always where packages run code while they are installed.

Installing is done by a tool in a box of its own. What it leaves is looked through, taken over,
and sealed by a digest that is looked at again before another Worker gets the environment.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import structlog

from fyke.contracts.execution import Environment, EnvironmentFailed
from fyke.contracts.tools import ToolRunner
from fyke.model.worker import Language, Version
from fyke.reasons import Reason, ReasonCode
from fyke.sandbox.packages import sealing
from fyke.sandbox.packages.environment_go import GoInstaller
from fyke.sandbox.packages.environment_node import NodeInstaller
from fyke.sandbox.packages.environment_python import PythonInstaller
from fyke.sandbox.packages.installer import (
    DISK_FULL,
    InstallLimits,
    InstallTerms,
    LockOutOfStep,
    PackageInstaller,
)

log = structlog.get_logger()

MAX_BYTES = 2 * 2**30
CONTENT = "env"  # the folder that is mounted
LOG = "install.log"
SEAL = "seal.json"

_LOCK_WAIT = 0.05  # seconds between two looks at a lock that another process holds
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class Recipe(Protocol):
    """What one version needs: ``inputs`` decides the key, ``install`` fills a folder. ``locked``
    says whether the inputs alone decide what will be in it, ``warning`` what is not as it should
    be. ``fallback`` is used where the lock file is out of step.
    """

    inputs: Sequence[str]
    locked: bool
    warning: str

    @property
    def fallback(self) -> Recipe | None: ...

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        """Fill ``content`` (not there yet); ``building`` is scratch room. Return what the
        installer said. Raise ``EnvironmentFailed``, ``LockOutOfStep``.
        """
        ...


class UvEnvironments:
    """``Environments`` with uv for Python, npm for Node.js, and go for what comes as source.

    Environments lie in ``root``, on the file system of the work folders. ``python`` is the
    interpreter that boxes have, ``seconds`` the longest that one installer may take, ``environ``
    where the settings of the package clients come from. ``region`` is the one that packages are
    fetched through, and ``upstream`` whether it has a proxy.
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
        settings = dict(os.environ) if environ is None else dict(environ)
        package_installer = PackageInstaller(
            tools, InstallLimits(seconds, max_bytes), region=region, upstream=upstream
        )
        self._python = PythonInstaller(package_installer, settings, python)
        self._node = NodeInstaller(package_installer, settings)
        self._go = GoInstaller(package_installer, settings)
        self._trusted: set[tuple[str, str]] = set()  # keys, and the workers that had them

    async def ensure(
        self, version: Version, bundle: Path, account_id: str, builds_allowed: bool
    ) -> Environment:
        """Return the environment of a version, built when it is not there yet.

        ``bundle`` is the unpacked project, ``account_id`` whose Worker it is, ``builds_allowed``
        whether its packages may run code while they are installed. Raise ``EnvironmentFailed``.
        """
        builds = version.builds and version.language != Language.GO  # there nothing is run
        if builds and not builds_allowed:
            raise EnvironmentFailed(Reason(ReasonCode.BUILDS_NOT_ALLOWED))
        recipe = await self._recipe(version, bundle)
        if recipe is None:
            return Environment(None, "")
        terms = InstallTerms(account_id, builds)
        found = await self._find(recipe, terms, version.worker_id)
        if found is not None:
            return found
        try:
            return await self._make(recipe, terms, version.worker_id)
        except LockOutOfStep:
            if recipe.fallback is None:
                raise
            return await self._make(recipe.fallback, terms, version.worker_id)

    async def _find(
        self, recipe: Recipe, terms: InstallTerms, worker_id: str
    ) -> Environment | None:
        """What is there of a recipe, or of its fallback: then the recipe was tried before."""
        for each in (recipe, recipe.fallback):
            if each is not None:
                key = _key(each, terms)
                found = await asyncio.to_thread(self._finished, key, worker_id)
                if found is not None:
                    return replace(found, warning=each.warning)
        return None

    async def _make(self, recipe: Recipe, terms: InstallTerms, worker_id: str) -> Environment:
        key = _key(recipe, terms)
        self._prepare_root()
        async with self._locked(key):
            found = await asyncio.to_thread(self._finished, key, worker_id)
            made = found or await self._build(key, recipe, terms, worker_id)
        return replace(made, warning=recipe.warning)

    async def _recipe(self, version: Version, bundle: Path) -> Recipe | None:
        """None where the project brings along all that it needs."""
        if version.language == Language.PYTHON:
            return await self._python.recipe(version.requirements)
        if version.language == Language.NODE:
            return await self._node.recipe(bundle)
        return await self._go.recipe(version, bundle)

    def _finished(self, key: str, worker_id: str) -> Environment | None:
        """What is there already, if it is still what was sealed."""
        home = self._root / key
        made = sealing.read(home / SEAL)
        if made is None or not (home / CONTENT).is_dir():
            return None
        if (key, worker_id) not in self._trusted:
            if sealing.read_tree(home / CONTENT) != made:
                log.error("environment_changed", key=key)
                return None
            self._trusted.add((key, worker_id))
        return Environment(home / CONTENT, (home / LOG).read_text("utf-8"))

    def _prepare_root(self) -> None:
        for folder in (self._root, self._root / ".locks"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of a key. An installer never outlives who holds it: its box does not."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(self._root / ".locks" / key, flags, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_WAIT)
            yield
        finally:
            os.close(lock)

    async def _build(
        self, key: str, recipe: Recipe, terms: InstallTerms, worker_id: str
    ) -> Environment:
        building = self._root / f".build-{key}"
        said = ""
        try:
            await asyncio.to_thread(_make_empty, building)
            said = await recipe.install(building, building / CONTENT, terms)
            await asyncio.to_thread(_seal, building, said)
            await asyncio.to_thread(self._put, building, key)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise EnvironmentFailed(DISK_FULL, said) from None
        finally:
            await asyncio.to_thread(shutil.rmtree, building, True)
        self._trusted.add((key, worker_id))
        return Environment(self._root / key / CONTENT, said)

    def _put(self, building: Path, key: str) -> None:
        """In the place of one that was changed, if there is one; boxes that have it keep it."""
        home = self._root / key
        if home.exists():
            aside = self._root / f".changed-{key}"
            shutil.rmtree(aside, ignore_errors=True)
            home.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        building.rename(home)


def _key(recipe: Recipe, terms: InstallTerms) -> str:
    inputs = list(recipe.inputs)
    if terms.builds:
        inputs += ["builds of", terms.account_id]
    elif not recipe.locked:
        inputs += ["found for", terms.account_id]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _seal(building: Path, said: str) -> None:
    """Keep only content, seal and log, and let everybody read."""
    for child in building.iterdir():
        if child.name != CONTENT:
            shutil.rmtree(child) if child.is_dir() else child.unlink()
    sealing.write(building / SEAL, sealing.seal(building / CONTENT))
    (building / LOG).write_text(said, "utf-8")
    (building / LOG).chmod(0o644)
    building.chmod(0o755)


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
