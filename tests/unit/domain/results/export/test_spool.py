"""Files that are written once and read by all downloads of the same content."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import shutil
from collections import namedtuple
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.results.export import spool as spools
from fyke.domain.results.export.spool import Spool, SpoolFull
from fyke.errors import InvalidRequest
from fyke.kit.file_lock import try_lock

pytestmark = pytest.mark.anyio


def a_spool(folder: Path, **changes: Any) -> Spool:
    values = {"limit_bytes": 10_000, "floor_bytes": 0, "keep_seconds": 60.0} | changes
    return Spool(folder / "downloads", **values)


@pytest.fixture
async def spool(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Spool]:
    spool = a_spool(tmp_path)
    yield spool
    await spool.close()


class Source:
    """Writes a file in pieces; waits for ``go`` before each piece from number ``pause_at`` on."""

    def __init__(self, pieces: Sequence[bytes], pause_at: int | None = None) -> None:
        self.pieces, self.pause_at = pieces, pause_at
        self.go = asyncio.Event()
        self.calls = 0
        self.closed = 0

    async def make(self) -> AsyncGenerator[bytes, None]:
        self.calls += 1
        return self._all()

    async def _all(self) -> AsyncGenerator[bytes, None]:
        try:
            for number, piece in enumerate(self.pieces):
                if self.pause_at is not None and number >= self.pause_at:
                    await self.go.wait()
                yield piece
        finally:
            self.closed += 1


async def read(spool: Spool, file: Any, *part: int) -> bytes:
    return b"".join([piece async for piece in spool.read(file, *part)])


def files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("downloads/*/*") if path.name != "lock"]


async def test_a_file_that_is_removed_before_it_is_opened_raises_its_error(spool: Spool) -> None:
    source = Source([b"abc", b"x" * 20_000], pause_at=1)
    file = await spool.open("m", "A", source.make)
    await file.wait(3)
    file.path.unlink()
    reading = asyncio.create_task(read(spool, file))
    source.go.set()
    with pytest.raises(SpoolFull):
        await reading


async def test_many_readers_share_one_writer(spool: Spool) -> None:
    source = Source([b"abc", b"def"], pause_at=1)
    first = await spool.open("m", "A", source.make)
    second = await spool.open("m", "A", source.make)
    reading = [asyncio.create_task(read(spool, f)) for f in (first, second, first)]
    await first.wait(3)
    source.go.set()
    assert await asyncio.gather(*reading) == [b"abcdef"] * 3
    assert (source.calls, source.closed) == (1, 1)
    assert await read(spool, first, 2, 5) == b"cde"
    assert await read(spool, first, 4) == b"ef"
    assert await read(spool, first, 6) == b""


async def test_a_reader_gets_the_written_part_before_the_file_is_complete(spool: Spool) -> None:
    source = Source([b"abc", b"def"], pause_at=1)
    file = await spool.open("m", "A", source.make)
    pieces = spool.read(file)
    assert await anext(pieces) == b"abc"
    assert not file.complete
    source.go.set()
    assert await anext(pieces) == b"def"
    await file.wait()
    assert (file.complete, file.size) == (True, 6)


async def test_a_failure_reaches_the_reader_and_the_file_is_written_again(
    spool: Spool, tmp_path: Path
) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        raise InvalidRequest("too wide")

    file = await spool.open("m", "A", broken)
    with pytest.raises(InvalidRequest, match="too wide"):
        await read(spool, file)
    assert files(tmp_path) == []
    again = await spool.open("m", "A", Source([b"x"]).make)
    assert await read(spool, again) == b"x"


async def test_the_oldest_unused_file_is_removed_for_a_new_one(
    spool: Spool, tmp_path: Path
) -> None:
    for mark in ("a", "b", "c"):
        file = await spool.open(mark, "A", Source([b"x" * 4000]).make)
        await file.wait()
    assert sorted(path.name[0] for path in files(tmp_path)) == ["b", "c"]


async def test_a_file_in_use_is_kept_and_the_new_one_is_refused(spool: Spool) -> None:
    file = await spool.open("a", "A", Source([b"x" * 8000]).make)
    pieces = spool.read(file)
    await anext(pieces)
    other = await spool.open("b", "A", Source([b"y" * 1000, b"y" * 3000]).make)
    with pytest.raises(SpoolFull):
        await other.wait()
    await pieces.aclose()
    other = await spool.open("b", "A", Source([b"y" * 4000]).make)
    await other.wait()


async def test_the_minimum_free_space_is_kept(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 90, 10))
    monkeypatch.setattr(spools, "_CHECK_BYTES", 1)
    low = a_spool(tmp_path, floor_bytes=11)
    file = await low.open("a", "A", Source([b"x"]).make)
    with pytest.raises(SpoolFull):
        await file.wait()
    enough = a_spool(tmp_path, floor_bytes=10)
    await (await enough.open("a", "A", Source([b"x"]).make)).wait()
    await low.close()
    await enough.close()


async def test_a_full_disk_is_reported_as_a_full_spool(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spools, "_write_all", full)
    file = await spool.open("a", "A", Source([b"x"]).make)
    with pytest.raises(SpoolFull, match="No space left"):
        await file.wait()


async def test_without_a_folder_the_spool_is_full(tmp_path: Path) -> None:
    (tmp_path / "downloads").write_text("a file: no folder can be created below it")
    with pytest.raises(SpoolFull, match="could not be stored"):
        await a_spool(tmp_path).open("a", "account", Source([b"x"]).make)


async def test_a_lock_that_cannot_be_created_is_an_error_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spools.os, "open", full)
    with pytest.raises(SpoolFull, match="No space left"):
        await a_spool(tmp_path).open("a", "account", Source([b"x"]).make)


async def test_a_folder_that_is_removed_before_it_is_locked_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []

    def slow(path: Path) -> int | None:
        lock = try_lock(path)
        if not removed:  # by another server, which had the lock first
            removed.append(path.parent)
            shutil.rmtree(path.parent)
        return lock

    monkeypatch.setattr(spools, "try_lock", slow)
    spool = a_spool(tmp_path)
    file = await spool.open("a", "A", Source([b"x"]).make)
    assert await read(spool, file) == b"x"
    assert not removed[0].exists()
    await spool.close()


def test_the_downloads_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    killed, running = tmp_path / "killed", tmp_path / "running"
    for folder in (killed, running):
        folder.mkdir()
        (folder / "lock").touch()
        (folder / "file").write_bytes(b"x" * 1000)
    (tmp_path / "note").touch()
    with (running / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert spools.folders_of_ended_processes(tmp_path) == [killed]
        assert not spools.remove_folder_of_ended_process(running)
        spools.remove_folders_of_ended_processes(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note", "running"]
    spools.remove_folders_of_ended_processes(tmp_path / "none")


async def test_a_file_is_removed_keep_seconds_after_its_last_use(tmp_path: Path) -> None:
    spool = a_spool(tmp_path, keep_seconds=0.05)
    file = await spool.open("a", "A", Source([b"x"]).make)
    assert await read(spool, file) == b"x"
    async with asyncio.timeout(10):
        while files(tmp_path):
            await asyncio.sleep(0.02)
    assert await read(spool, await spool.open("a", "A", Source([b"x"]).make)) == b"x"
    await spool.close()


async def test_an_account_writes_two_files_at_a_time_and_others_are_not_delayed(
    spool: Spool,
) -> None:
    sources = [Source([b"x"], pause_at=0) for _ in range(3)]
    opened = [await spool.open(f"m{n}", "A", s.make) for n, s in enumerate(sources)]
    other = await spool.open("o", "B", Source([b"y"]).make)
    assert await read(spool, other) == b"y"
    assert [source.calls for source in sources] == [1, 1, 0]
    for source in sources:
        source.go.set()
    assert [await read(spool, file) for file in opened] == [b"x"] * 3


async def test_folders_of_exited_processes_are_removed_and_those_of_running_ones_are_kept(
    spool: Spool, tmp_path: Path
) -> None:
    stale = tmp_path / "downloads" / "01STALE"
    stale.mkdir(parents=True)
    (stale / "lock").touch()
    (stale / "m-1").write_bytes(b"old")
    file = await spool.open("a", "A", Source([b"x"]).make)
    await file.wait()
    assert not stale.exists()
    second = a_spool(tmp_path)
    await (await second.open("a", "A", Source([b"x"]).make)).wait()
    assert len(files(tmp_path)) == 2
    await second.close()
    assert await read(spool, file) == b"x"


async def test_closing_stops_the_writing_of_files(spool: Spool, tmp_path: Path) -> None:
    source = Source([b"x", b"y"], pause_at=1)
    file = await spool.open("a", "A", source.make)
    await file.wait(1)
    await spool.close()
    assert (source.closed, files(tmp_path)) == (1, [])
