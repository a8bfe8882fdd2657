"""Finds and removes files that a node has not needed for a while, even while runs start.

A node does not know which versions can be started. So it keeps what was used within a week, and
what an attempt has: that locks its folders, however long it runs, and every lookup notes the use
under the lock that a removal takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from fyke.app.prune import (
    Kind,
    Removable,
    children,
    delete,
    is_environment,
    is_older,
    removable,
    rename_aside,
    temporary_files,
)
from fyke.domain.results.export.spool import remove_folder_of_ended_process
from fyke.kit.file_lock import is_folder_locked, locked
from fyke.runner.bundles import LOCK as BUNDLES_LOCK
from fyke.sandbox.packages.environment import BUILDING, CONTENT, LOCKS
from fyke.settings import Settings

UNUSED_SECONDS = 7 * 86_400.0


class NodePrune:
    """Finds and removes what the owner of a node's folder can remove, as ``Prune`` does."""

    kept = ""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def close(self) -> None:
        """Nothing is open."""

    async def find(self) -> list[Removable]:
        """What can be removed now."""
        return [*self._bundles(), *self._environments(), *temporary_files(self._settings)]

    async def remove(self, item: Removable) -> bool:
        """Remove the item, unless it is used by now. Return whether it was removed."""
        try:
            match item.kind:
                case Kind.UNPACKED:
                    return _remove_bundle(item.path)
                case Kind.ENVIRONMENT:
                    return _remove_environment(item.path)
                case Kind.DOWNLOAD:
                    return remove_folder_of_ended_process(item.path)
            delete(item.path)
        except FileNotFoundError:
            return False  # another process has removed it
        return True

    def _bundles(self) -> Iterator[Removable]:
        for path in children(self._settings.bundles_dir):
            if not path.name.startswith(".") and _is_unused(path, path):
                yield removable(Kind.UNPACKED, path)

    def _environments(self) -> Iterator[Removable]:
        for path in children(self._settings.environments_dir):
            if is_environment(path) and _is_unused(path, path / CONTENT):
                yield removable(Kind.ENVIRONMENT, path)


def _is_unused(folder: Path, used: Path) -> bool:
    """Whether nothing was started with ``folder`` for a while, and ``used`` is not locked."""
    if not is_older(folder, time.time() - UNUSED_SECONDS):
        return False
    try:
        return not is_folder_locked(used)
    except (FileNotFoundError, NotADirectoryError):  # of an installation that was interrupted
        return True


def _remove_bundle(path: Path) -> bool:
    with locked(path.parent / BUNDLES_LOCK):
        if not _is_unused(path, path):
            return False
        aside = rename_aside(path)
    delete(aside)
    return True


def _remove_environment(path: Path) -> bool:
    (path.parent / LOCKS).mkdir(mode=0o755, exist_ok=True)
    with locked(path.parent / LOCKS / path.name.removeprefix(BUILDING), wait=False) as free:
        if not free or not _is_unused(path, path / CONTENT):
            return False  # it is being built, looked up or used
        aside = rename_aside(path)
    delete(aside)
    return True
