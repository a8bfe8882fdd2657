"""What is copied of the cache of a browser, and that nothing of a hostile one leads elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.sandbox.process import saved_caches as module
from fyke.sandbox.process.saved_caches import FOLDER, SavedCaches
from support.cache_entries import PUBLIC, entry

pytestmark = pytest.mark.anyio
LIMIT = 1_000_000
ENTRY = "0123456789abcdef_0"


def content(number: int, size: int) -> bytes:
    return entry(*PUBLIC, body=bytes([number]), size=size)


class Work:
    """The memory file system of a browser that has ended."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root.joinpath(*FOLDER)
        self.cache.mkdir(parents=True)
        self.descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)

    def write(self, number: int, size: int, at: int = 0) -> str:
        name = f"{number:016x}_0"
        path = self.cache / name
        path.write_bytes(content(number, size))
        os.utime(path, (at, at))
        return name


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    made = Work(tmp_path / "work")
    yield made
    os.close(made.descriptor)


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[SavedCaches]:
    (tmp_path / "disk").mkdir()
    made = SavedCaches(tmp_path / "disk")
    yield made
    made.close()


def read(caches: SavedCaches, name: str = "RUN-1") -> dict[str, bytes]:
    """The files of a copy, as ``browser_host`` reads them."""
    number = caches.open(name)
    if number is None:
        return {}
    with open(number, "rb") as file:
        listed = json.loads(file.read(int.from_bytes(file.read(8), "big")))
        found = {entry: file.read(size) for entry, size in listed}
        assert file.read() == b""
    return found


async def test_a_cache_is_saved_under_its_name_in_a_file_without_one(
    caches: SavedCaches, work: Work, tmp_path: Path
) -> None:
    names = [work.write(1, 500), work.write(2, 70_000)]
    (work.cache / "index").write_bytes(b"an index")  # Chromium makes a new one
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 70_500
    assert read(caches) == {names[0]: content(1, 500), names[1]: content(2, 70_000)}
    assert read(caches) == read(caches)  # any number of times
    assert read(caches, "RUN-2") == {}
    assert [caches.size_of(name) for name in ("RUN-1", "RUN-2")] == [70_500, 0]
    assert list((tmp_path / "disk").iterdir()) == []
    number = caches.open("RUN-1")
    assert number is not None
    with pytest.raises(OSError):
        os.write(number, b"x")  # it can only be read
    os.close(number)
    caches.drop("RUN-1")
    caches.drop("RUN-1")
    assert read(caches) == {}


async def test_the_newest_files_that_fit_are_saved(caches: SavedCaches, work: Work) -> None:
    old, newer, newest = (work.write(number, 400, at=number) for number in (1, 2, 3))
    too_large = work.write(4, LIMIT, at=4)
    assert await caches.save("RUN-1", work.descriptor, 900) == 800
    assert read(caches).keys() == {newer, newest}
    assert {old, too_large}.isdisjoint(read(caches))


async def test_the_larger_copy_is_kept(caches: SavedCaches, work: Work) -> None:
    work.write(1, 900)
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 900
    work.write(1, 500)
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 900
    work.write(2, 401)
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 901


async def test_only_what_may_be_shared_is_saved(caches: SavedCaches, work: Work) -> None:
    private = work.write(1, 800, at=2)
    path = work.cache / private
    path.write_bytes(path.read_bytes().replace(b"public,", b"private"))
    name = work.write(2, 700, at=1)
    assert await caches.save("RUN-1", work.descriptor, 1000) == 700  # the others need no room
    assert read(caches) == {name: content(2, 700)}


async def test_of_large_heads_only_those_of_the_newest_files_are_read(
    caches: SavedCaches, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hijacked browser may leave thousands that may not be shared."""
    reads: list[bytes] = []
    may_be_shared = module.may_be_shared
    monkeypatch.setattr(module, "may_be_shared", lambda h: reads.append(h) or may_be_shared(h))
    head = f"x: {'x' * 5000}"
    for number in range(4):
        path = work.cache / work.write(number, 400, at=number)
        path.write_bytes(entry(*PUBLIC, head) if number == 2 else entry(head))
        os.utime(path, (number, number))
    monkeypatch.setattr(module, "MAX_HEADS", 11_000)  # of two files
    await caches.save("RUN-1", work.descriptor, LIMIT)
    assert list(read(caches)) == [f"{2:016x}_0"]
    assert len(reads) == 2


async def test_without_a_cache_nothing_is_saved(caches: SavedCaches, work: Work) -> None:
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 0
    work.cache.rmdir()
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 0
    assert read(caches) == {}


async def test_links_and_other_things_are_not_copied(
    caches: SavedCaches, work: Work, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (work.cache / ENTRY).symlink_to(secret)
    (work.cache / "1123456789abcdef_0").mkdir()
    os.mkfifo(work.cache / "2123456789abcdef_0")
    for other in ("0123456789ABCDEF_0", "todelete_0123456789abcdef_0", f"{ENTRY}\n"):
        (work.cache / other).write_text("other")
    name = work.write(1, 500)
    await caches.save("RUN-1", work.descriptor, LIMIT)
    assert read(caches) == {name: content(1, 500)}


@pytest.mark.parametrize("depth", range(len(FOLDER)))
async def test_a_folder_that_is_a_link_is_not_followed(
    caches: SavedCaches, work: Work, tmp_path: Path, depth: int
) -> None:
    work.write(1, 500)
    folder = work.root.joinpath(*FOLDER[: depth + 1])
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 0


async def test_a_file_that_is_shorter_than_it_seemed_ends_the_copy(
    caches: SavedCaches, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = work.write(1, 500)
    monkeypatch.setattr(module, "_newest", lambda cache, limit: [(name, 600)])
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 0


async def test_names_files_bytes_and_copies_are_bounded(
    caches: SavedCaches, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        work.write(number, 500, at=number)
    monkeypatch.setattr(module, "MAX_FILES", 3)
    assert await caches.save("RUN-1", work.descriptor, LIMIT) == 1500
    monkeypatch.setattr(module, "MAX_BYTES", 1250)
    assert await caches.save("RUN-2", work.descriptor, LIMIT) == 1000
    monkeypatch.setattr(module, "MAX_NAMES", 4)
    assert await caches.save("RUN-3", work.descriptor, LIMIT) == 0
    monkeypatch.setattr(module, "MAX_NAMES", 5)
    monkeypatch.setattr(module, "MAX_CACHES", 2)
    assert read(caches, "RUN-1")  # the latest that was used
    await caches.save("RUN-4", work.descriptor, LIMIT)
    assert [bool(read(caches, f"RUN-{number}")) for number in (2, 1, 4)] == [False, True, True]
    monkeypatch.setattr(module, "MAX_TOTAL", 2499)
    await caches.save("RUN-5", work.descriptor, LIMIT)
    assert [bool(read(caches, f"RUN-{number}")) for number in (1, 4, 5)] == [False, True, True]


class Held:
    """Copies that wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._go, copy = threading.Event(), module._copy

        def held(*order: Any) -> Any:
            self._go.wait()
            return copy(*order)

        monkeypatch.setattr(module, "_copy", held)

    async def finish(self, caches: SavedCaches) -> None:
        self._go.set()
        await asyncio.gather(*caches._savings.values())


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_copy_that_nobody_waits_for_any_more_is_kept_or_dropped(
    caches: SavedCaches, work: Work, monkeypatch: pytest.MonkeyPatch, dropped: bool
) -> None:
    name = work.write(1, 500)
    held = Held(monkeypatch)
    before = len(os.listdir("/proc/self/fd"))
    of_sandbox = os.dup(work.descriptor)
    saving = asyncio.create_task(caches.save("RUN-1", of_sandbox, LIMIT))
    other = asyncio.create_task(caches.save("RUN-2", of_sandbox, LIMIT))
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)
    os.close(of_sandbox)  # the sandbox is closed then
    if dropped:  # with the run
        caches.drop("RUN-1")
    await held.finish(caches)
    assert read(caches) == ({} if dropped else {name: content(1, 500)})
    assert await other == 500
    caches.drop("RUN-1")
    caches.drop("RUN-2")
    assert len(os.listdir("/proc/self/fd")) == before


async def test_nothing_is_saved_on_a_full_disk_or_after_the_end(
    caches: SavedCaches, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.write(1, 500)
    with monkeypatch.context() as patch:
        patch.setattr(module, "MIN_FREE_BYTES", 2**62)
        with pytest.raises(OSError, match="No space left"):
            await caches.save("RUN-1", work.descriptor, LIMIT)
    before = len(os.listdir("/proc/self/fd"))
    saving = asyncio.create_task(caches.save("RUN-1", work.descriptor, LIMIT))
    await asyncio.sleep(0)
    caches.close()
    assert await saving == 0
    assert len(os.listdir("/proc/self/fd")) == before
