"""The peculiarities of blobs on a file system: remains, permissions, a full disk."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.errors import Unavailable
from fyke.storage.blobs import filesystem
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.flushes import noted_flushes

pytestmark = pytest.mark.anyio


def parts(root: Path) -> list[Path]:
    return list((root / ".part").iterdir())


async def test_put_leaves_no_temporary_file(tmp_path: Path) -> None:
    blobs = FilesystemBlobs(tmp_path)
    await blobs.put("a/b/c", b"data")
    assert parts(tmp_path) == []
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o600


async def test_failing_flush_is_unavailable_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FilesystemBlobs(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(filesystem.os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            await blobs.put("name", b"data")
    assert parts(tmp_path) == []
    assert not await blobs.exists("name")
    await blobs.put("name", b"data")
    assert await blobs.get("name") == b"data"


async def test_everything_is_flushed_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file before its rename, then its folder, and each new folder in its parent."""
    blobs = FilesystemBlobs(tmp_path)
    flushed = noted_flushes(monkeypatch)
    await blobs.put("new/name", b"data")
    assert flushed[0] == str(tmp_path)
    assert flushed[1].startswith(str(tmp_path / ".part"))
    assert flushed[2] == str(tmp_path / "new")


async def test_old_temporary_files_are_removed_and_recent_ones_kept(tmp_path: Path) -> None:
    blobs = FilesystemBlobs(tmp_path)
    old, young = tmp_path / ".part/old", tmp_path / ".part/young"
    for path in (old, young):
        path.write_bytes(b"half")
    two_hours_ago = time.time() - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    assert set(parts(tmp_path)) == {old, young}  # who only reads removes nothing
    await blobs.put("name", b"data")
    assert parts(tmp_path) == [young]


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_blob_whose_temporary_file_was_removed_is_not_stored(
    tmp_path: Path, replaced: bool
) -> None:
    blobs = FilesystemBlobs(tmp_path)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        [part] = parts(tmp_path)
        part.unlink()
        if replaced:
            part.write_bytes(b"onetwo")
        yield b"two"

    with pytest.raises(Unavailable, match="temporary file"):
        await blobs.put_stream("name", chunks())
    assert not await blobs.exists("name")


def test_free_space_ends_at_the_floor(tmp_path: Path) -> None:
    assert FilesystemBlobs(tmp_path).free_bytes() > 0
    assert FilesystemBlobs(tmp_path, floor_bytes=2**62).free_bytes() == 0


async def test_a_walk_leaves_out_what_has_no_name_yet(tmp_path: Path) -> None:
    blobs = FilesystemBlobs(tmp_path)
    await blobs.put("a/b", b"data")
    await blobs.delete("a/b")  # takes the lock, which is a file
    (tmp_path / ".part" / "part").touch()
    assert [blob.name async for blob in blobs.walk()] == []
