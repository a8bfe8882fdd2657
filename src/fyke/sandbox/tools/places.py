"""What a tool's box has beside a Worker's: its cache, uv, and folders of wheels.

Decided on the side that acts, and by the kind alone: nothing that comes over the border names a
path. The folders of wheels are fixed when that side starts.
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
from fyke.sandbox.tools.caches import TakenCache, ToolCaches

# Inside they are other things than outside, or hold what is nobody's business.
_NEVER = ("/", "/proc", "/sys", "/dev", "/run", "/etc", "/root", "/work", "/cache", "/bundle")


@dataclass(frozen=True, slots=True)
class ToolPaths:
    """``find_links`` are folders of wheels that the machine's package clients are told to use."""

    caches: ToolCaches
    find_links: tuple[Path, ...] = ()

    @classmethod
    def at(cls, data_folder: Path, find_links: Sequence[Path] = ()) -> ToolPaths:
        """Those of an installation."""
        return cls(ToolCaches(data_folder / "tool-caches"), fit_find_links(find_links))

    def cache_of(self, order: LaunchOrder, uid: int | None) -> TakenCache | None:
        """The cache that the order names, if nobody else has it."""
        return self.caches.take(order.cache, uid) if order.cache else None

    def extras_of(self, order: LaunchOrder) -> tuple[tuple[Path, str], ...]:
        """What is mounted beside, read-only, and where."""
        if order.kind != "uv":
            return ()
        find_links = tuple((shelf, str(shelf)) for shelf in self.find_links if _is_open(shelf))
        return ((Path(find_uv_bin()), UV_AT), *find_links)


def fit_find_links(find_links: Sequence[Path]) -> tuple[Path, ...]:
    """Those that can be mounted where they are: whole folders of their own."""
    fit: list[Path] = []
    for shelf in find_links:
        plain = shelf.is_absolute() and ".." not in shelf.parts
        if plain and not any(_holds(Path(place), shelf) for place in _NEVER) and shelf not in fit:
            fit.append(shelf)
    return tuple(fit)


def _holds(place: Path, shelf: Path) -> bool:
    return shelf == place or (place != Path("/") and place in shelf.parents)


def _is_open(folder: Path) -> bool:
    """Whether everybody may pass to it and read it; where not, no box's user can mount it."""
    if os.geteuid() != 0:
        return folder.is_dir()
    try:
        if not stat.S_ISDIR(folder.stat().st_mode) or not folder.stat().st_mode & 0o004:
            return False
        return all(above.stat().st_mode & 0o001 for above in (folder, *folder.parents))
    except OSError:
        return False
