"""Dependency environments: built once per content, shared read-only by every box.

The key of an environment is the SHA-256 of all that decides what is in it (interpreter,
platform, the normalised requirements, the platform's own base set), so two Workers that ask for
the same get the same folder. It is built in a temporary folder and renamed into place; a lock
file per key lets builders in several processes share one build.

Installing brings foreign files onto the machine and must not run them: binary packages only,
no install scripts, and no interpreter of ours ever starts with the installed packages on its
path. What is installed runs for the first time inside a box.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from fyke.domain.contracts import Environment, EnvironmentFailed
from fyke.domain.workers.model import Language, Version
from fyke.sandbox.environment_node import NodeInstaller
from fyke.sandbox.environment_process import Installer, InstallLog
from fyke.sandbox.environment_python import PythonInstaller

MAX_BYTES = 2 * 2**30
CONTENT = "env"  # the folder that is mounted
LOG = "install.log"

_LOCK_WAIT = 0.05  # seconds between two looks at a lock that another process holds
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class Recipe(Protocol):
    """What one version needs: ``inputs`` decides the key, ``install`` fills a folder."""

    inputs: Sequence[str]

    async def install(self, building: Path, content: Path, log: InstallLog) -> None:
        """Fill ``content`` (not there yet); ``building`` is scratch room. Raise
        ``EnvironmentFailed``.
        """
        ...


class UvEnvironments:
    """``Environments`` with uv for Python and npm for Node.js; Go programs need none.

    Environments lie in ``root``, downloads in ``cache`` (on the same file system they share
    their blocks). ``python`` is the interpreter that boxes have, ``seconds`` the longest that
    one installer may take, ``environ`` where the settings of the package clients come from.
    """

    def __init__(
        self,
        root: Path,
        cache: Path,
        python: str = "/usr/bin/python3",
        seconds: int = 600,
        *,
        max_bytes: int = MAX_BYTES,
        environ: dict[str, str] | None = None,
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        settings = dict(os.environ) if environ is None else environ
        installer = Installer(settings, seconds)
        self._python = PythonInstaller(installer, python, cache / "uv")
        self._node = NodeInstaller(installer, cache / "npm")

    async def ensure(self, version: Version, bundle: Path) -> Environment:
        """Return the environment of a version, built when it is not there yet.

        ``bundle`` is the unpacked project. Raise ``EnvironmentFailed``.
        """
        if version.language == Language.GO:
            return Environment(None, "")
        recipe: Recipe
        if version.language == Language.PYTHON:
            recipe = await self._python.recipe(version.requirements)
        else:
            recipe = await self._node.recipe(bundle)
        key = hashlib.sha256(json.dumps(list(recipe.inputs)).encode()).hexdigest()
        found = await asyncio.to_thread(self._finished, key)
        if found is not None:
            return found
        self._prepare_root()
        async with self._locked(key) as lock:
            found = await asyncio.to_thread(self._finished, key)
            return found or await self._build(key, recipe, lock)

    def _finished(self, key: str) -> Environment | None:
        home = self._root / key
        if not (home / CONTENT).is_dir():
            return None
        return Environment(home / CONTENT, (home / LOG).read_text("utf-8"))

    def _prepare_root(self) -> None:
        for folder in (self._root, self._root / ".locks"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[int]:
        """Hold the lock of a key and yield its descriptor. Installers inherit it, so that one
        which outlives a killed builder keeps the next from clearing the folder under it.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(self._root / ".locks" / key, flags, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_WAIT)
            yield lock
        finally:
            os.close(lock)

    async def _build(self, key: str, recipe: Recipe, lock: int) -> Environment:
        building = self._root / f".build-{key}"
        log = InstallLog(held=(lock,))
        try:
            await asyncio.to_thread(_make_empty, building)
            await recipe.install(building, building / CONTENT, log)
            await asyncio.to_thread(self._seal, building, log)
            building.rename(self._root / key)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            message = "The dependencies could not be installed: the disk is full"
            raise EnvironmentFailed(message, log.text()) from None
        finally:
            await asyncio.to_thread(shutil.rmtree, building, True)
        return Environment(self._root / key / CONTENT, log.text())

    def _seal(self, building: Path, log: InstallLog) -> None:
        """Keep only content and log, measure, and let everybody read."""
        for child in building.iterdir():
            if child.name != CONTENT:
                shutil.rmtree(child) if child.is_dir() else child.unlink()
        size = open_to_all(building / CONTENT)
        if size > self._max_bytes:
            message = (
                f"The dependencies take {size:,} bytes, at most {self._max_bytes:,} are allowed; "
                "ask for fewer or smaller packages"
            )
            raise EnvironmentFailed(message, log.text())
        (building / LOG).write_text(log.text(), "utf-8")
        (building / LOG).chmod(0o644)
        building.chmod(0o755)


def open_to_all(folder: Path) -> int:
    """Make a tree readable for everybody and return its bytes on disk.

    Modes become 0755 or 0644; links are left alone, whatever they point at.
    """
    size = 0
    folder.chmod(0o755)
    for above, _, names in os.walk(folder):
        Path(above).chmod(0o755)
        for name in names:
            path = Path(above, name)
            state = path.lstat()
            if stat.S_ISREG(state.st_mode):
                size += state.st_blocks * 512
                path.chmod(0o755 if state.st_mode & 0o111 else 0o644)
    return size


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
