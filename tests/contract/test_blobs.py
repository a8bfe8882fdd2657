"""The suite of the ``Blobs`` contract, over every implementation."""

from __future__ import annotations

import asyncio
import hashlib
import os
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
