"""A platform with its own small disk. Only root can mount one."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.booted import Booted

SMALL_DISK = 512 * 2**20


@contextmanager
def small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fyke-small-"))
    size = f"size={SMALL_DISK}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def platform_in(folder: Path, **settings: str) -> Iterator[Booted]:
    platform = Booted(folder, **settings)
    try:
        yield platform.start()
    finally:
        platform.stop()
