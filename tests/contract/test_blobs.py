"""The suite of the ``Blobs`` contract, over every implementation."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.contracts.blobs import Blobs
from fyke.storage.blobs.filesystem import FilesystemBlobs

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["filesystem"])
def blobs(tmp_path: Path) -> Blobs:
    return FilesystemBlobs(tmp_path / "blobs")


async def test_put_then_get_returns_the_same_bytes(blobs: Blobs) -> None:
    data = os.urandom(300_000)
    name = f"bundles/{hashlib.sha256(data).hexdigest()}"
    assert not await blobs.exists(name)
    await blobs.put(name, data)
    assert await blobs.exists(name)
    assert await blobs.get(name) == data


async def test_an_empty_blob_can_be_stored(blobs: Blobs) -> None:
    await blobs.put("a", b"")
    assert await blobs.get("a") == b""


async def test_a_blob_can_be_put_again(blobs: Blobs) -> None:
    await blobs.put("x/y.tar", b"one")
    await blobs.put("x/y.tar", b"one")
    assert await blobs.get("x/y.tar") == b"one"


async def test_a_missing_name_raises_file_not_found(blobs: Blobs) -> None:
    await blobs.put("bundles/here", b"x")
    for name in ("bundles/gone", "nowhere/at/all", "bundles", "bundles/here/below"):
        assert not await blobs.exists(name)
        with pytest.raises(FileNotFoundError):
            await blobs.get(name)
        with pytest.raises(FileNotFoundError):
            await blobs.delete(name)


async def test_a_deleted_blob_is_gone(blobs: Blobs) -> None:
    await blobs.put("a/b", b"x")
    await blobs.delete("a/b")
    assert not await blobs.exists("a/b")


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", "..", "a/../b", "../a", ".hidden", "a/.b", "A", "ä", "a b", "a\0b",
     "a\n", "a\\b", "x" * 256],
)  # fmt: skip
async def test_invalid_names_are_refused_with_the_rule(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        await blobs.put(name, b"x")
    with pytest.raises(ValueError, match="must be"):
        await blobs.get(name)


async def test_readers_never_see_a_partial_blob(blobs: Blobs) -> None:
    """Concurrent writers of different contents: every read returns one of them completely."""
    contents = [bytes([n]) * 200_000 for n in range(6)]
    await blobs.put("race", contents[0])
    finished = asyncio.Event()

    async def read() -> set[bytes]:
        seen = set()
        while not finished.is_set():
            seen.add(await blobs.get("race"))
        return seen

    reader = asyncio.create_task(read())
    await asyncio.gather(*(blobs.put("race", data) for data in contents for _ in range(5)))
    finished.set()
    assert await reader <= set(contents)


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for chunk in data:
        yield chunk


async def test_a_stream_is_stored_as_one_blob(blobs: Blobs) -> None:
    await blobs.put_stream("rows/a", chunks(b"one", b"", b"two"))
    assert await blobs.get("rows/a") == b"onetwo"
    await blobs.put_stream("rows/empty", chunks())
    assert await blobs.get("rows/empty") == b""


async def test_a_stream_that_fails_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise KeyError("lost")

    with pytest.raises(KeyError):
        await blobs.put_stream("rows/a", broken())
    assert not await blobs.exists("rows/a")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_part_of_a_blob_is_read(blobs: Blobs) -> None:
    await blobs.put("rows/a", bytes(range(100)))
    assert blobs.read_range("rows/a", 10, 3) == bytes([10, 11, 12])
    assert blobs.read_range("rows/a", 98, 30) == bytes([98, 99])
    assert blobs.read_range("rows/a", 100, 5) == b""
    for name in ("rows/b", "rows"):
        with pytest.raises(FileNotFoundError):
            blobs.read_range(name, 0, 1)
