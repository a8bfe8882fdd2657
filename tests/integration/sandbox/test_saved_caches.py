"""Saved caches of browsers on a disk that is full, and after SIGKILL of the process that has them:
nothing of them is left.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.process import saved_caches as module
from fyke.sandbox.process.folders import MIN_FREE_BYTES
from fyke.sandbox.process.saved_caches import FOLDER, SavedCaches
from support.cache_entries import PUBLIC, entry
from support.small_disk import fill, free_bytes, small_disk

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk"),
]
MIB = 2**20
SIZE = 8 * MIB  # of the cache
OWNER = """
import asyncio, os, sys
from pathlib import Path
from fyke.sandbox.process.saved_caches import SavedCaches

async def main():
    caches = SavedCaches(Path(sys.argv[1]))
    work = os.open(sys.argv[2], os.O_RDONLY)
    number = 0
    while True:
        number += 1
        print(await caches.save(f"RUN-{number % 3}", work, 2**30), flush=True)

asyncio.run(main())
"""


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(MIN_FREE_BYTES + 64 * MIB) as folder:
        yield folder


@pytest.fixture
def work(tmp_path: Path) -> Iterator[int]:
    """The file system of a browser that has left eight files of 1 MiB."""
    folder = tmp_path.joinpath("work", *FOLDER)
    folder.mkdir(parents=True)
    for number in range(8):
        (folder / f"{number:016x}_0").write_bytes(entry(*PUBLIC, size=MIB))
    descriptor = os.open(tmp_path / "work", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("filled", ["before", "meanwhile"])
async def test_a_cache_for_which_the_disk_has_no_room_leaves_nothing(
    disk: Path, work: int, monkeypatch: pytest.MonkeyPatch, filled: str
) -> None:
    caches = SavedCaches(disk)
    if filled == "before":
        filler = fill(disk, MIN_FREE_BYTES + SIZE // 2)
    else:  # by another process, after the room was checked
        monkeypatch.setattr(module, "MIN_FREE_BYTES", -(2**40))
        filler = fill(disk, SIZE // 2)
    before = free_bytes(disk), descriptors()
    for _ in range(3):
        with pytest.raises(OSError, match="No space left on device"):
            await caches.save("RUN-1", work, 2**30)
    assert (free_bytes(disk), descriptors()) == before
    assert os.listdir(disk) == [filler.name]
    filler.unlink()
    assert await caches.save("RUN-1", work, 2**30) == SIZE  # nothing is remembered of the fault
    caches.close()


async def test_a_killed_owner_leaves_nothing(disk: Path, work: int) -> None:
    """The owner is the runner, or its launcher. Most kills come while a cache is being copied."""
    empty = free_bytes(disk)
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, str(disk), f"/proc/{os.getpid()}/fd/{work}"],
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
        ) as owner:
            assert owner.stdout is not None
            for _ in range(4):
                assert owner.stdout.readline() == b"%d\n" % SIZE
            assert free_bytes(disk) <= empty - SIZE
            time.sleep(random.random() * 0.02)  # any moment
            owner.kill()
        assert (free_bytes(disk), os.listdir(disk)) == (empty, [])
