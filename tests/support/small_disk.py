"""A small disk, also with a platform of its own. Only root can mount one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.booted import Booted

SMALL_DISK = 512 * 2**20


@contextmanager
def small_disk(size: int = SMALL_DISK) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fyke-small-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, left: int) -> Path:
    """Write a file that leaves this many bytes of the disk free, to within a few pages."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(folder) - left)
    return filler


@contextmanager
def platform_in(folder: Path, **settings: str) -> Iterator[Booted]:
    platform = Booted(folder, **settings)
    try:
        yield platform.start()
    finally:
        platform.stop()
