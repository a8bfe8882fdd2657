"""The additional mounts of a tool's sandbox: its cache, uv, and folders of wheels.

The spawning process chooses them by the kind of tool: no request contains a path. The folders of
wheels are fixed when that process starts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from fyke.sandbox.isolation.bubblewrap import UV_AT
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.tools.caches import LockedCache, ToolCaches

CACHES = "tool-caches"  # in the data folder
# Paths with another meaning inside the sandbox, or with private files.
_NOT_MOUNTABLE = (
    "/",
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/etc",
    "/root",
    "/work",
    "/cache",
    "/bundle",
)


@dataclass(frozen=True, slots=True)
class ToolPaths:
    """``find_links`` are the folders of wheels that the machine's package clients use."""

    caches: ToolCaches
    find_links: tuple[Path, ...] = ()

    @classmethod
    def at(cls, data_folder: Path, find_links: Sequence[Path] = ()) -> ToolPaths:
        """The paths of an installation."""
        return cls(ToolCaches(data_folder / CACHES), mountable_folders(find_links))

    def cache_of(self, order: LaunchOrder, uid: int | None) -> LockedCache | None:
        """Lock the cache that the order names, or None if there is none or it is in use."""
        return self.caches.take(order.cache, uid) if order.cache else None

    def extras_of(self, order: LaunchOrder) -> tuple[tuple[Path, str], ...]:
        """Additional read-only mounts: the source, and the path inside."""
        if order.kind != "uv":
            return ()
        find_links = tuple((folder, str(folder)) for folder in self.find_links if _is_open(folder))
        return ((Path(find_uv_bin()), UV_AT), *find_links)


def mountable_folders(find_links: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders that can be mounted at their own path."""
    mountable: list[Path] = []
    for folder in find_links:
        is_normalized = folder.is_absolute() and ".." not in folder.parts
        if (
            is_normalized
            and not any(_covers(Path(place), folder) for place in _NOT_MOUNTABLE)
            and folder not in mountable
        ):
            mountable.append(folder)
    return tuple(mountable)


def _covers(place: Path, folder: Path) -> bool:
    return folder == place or (place != Path("/") and place in folder.parents)


def _is_open(folder: Path) -> bool:
    """Whether all users can reach and read the folder; else no sandbox's user can mount it."""
    if os.geteuid() != 0:
        return folder.is_dir()
    try:
        if not stat.S_ISDIR(folder.stat().st_mode) or not folder.stat().st_mode & 0o004:
            return False
        return all(above.stat().st_mode & 0o001 for above in (folder, *folder.parents))
    except OSError:
        return False
