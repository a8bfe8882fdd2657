"""The suite of the ``Blobs`` contract, over every implementation."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from fyke.contracts.blobs import Blobs
from fyke.storage.blobs import round_trip
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.blobs.s3 import S3Blobs
from support.s3_servers import S3Server, s3_server

pytestmark = pytest.mark.anyio


RADOSGW = pytest.param("radosgw", marks=pytest.mark.needs("radosgw"))
S3_SERVERS = ("moto", "s3rver", RADOSGW, "live")
NOT_ATOMIC = {
    "s3rver": "s3rver writes over the object that it is sending",
    "radosgw": "radosgw without a cluster reads an object in pieces, under load of two objects",
}
NO_RANGES = "radosgw without a cluster answers a range with other bytes"
UNCHECKED = ("moto", "s3rver")  # they check no signature
NO_PARTS = "radosgw without a cluster answers an object that was stored in parts with other bytes"


@pytest.fixture(scope="module", params=["filesystem", *S3_SERVERS])
def storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server | None]:
    """None is the file system."""
    if request.param == "filesystem":
        yield None
        return
    with s3_server(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
async def blobs(storage: S3Server | None, tmp_path: Path) -> AsyncIterator[Blobs]:
    if storage is None:
        yield FilesystemBlobs(tmp_path / "blobs")
        return
    made = S3Blobs(storage.new_place(), storage.access)
    yield made
    if storage.name == "live":
        for blob in [blob async for blob in made.walk()]:
            await made.delete(blob.name)


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
            await blobs.size(name)
        with pytest.raises(FileNotFoundError):
            await anext(blobs.get_stream(name))
        await blobs.delete(name)
    assert await blobs.get("bundles/here") == b"x"


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
    with pytest.raises(ValueError, match="must be"):
        await blobs.url(name, 60, "GET")


async def test_readers_never_see_a_partial_blob(blobs: Blobs, storage: S3Server | None) -> None:
    """Concurrent writers of different contents: every read returns one of them completely."""
    if storage is not None and storage.name in NOT_ATOMIC:
        pytest.skip(NOT_ATOMIC[storage.name])
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


@pytest.mark.parametrize("parts", [1, 12])
async def test_a_stream_that_fails_leaves_nothing(blobs: Blobs, parts: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(parts):
            yield bytes(2**20)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await blobs.put_stream("rows/a", broken())
    assert not await blobs.exists("rows/a")


async def test_a_large_blob_is_written_and_read_in_parts(
    blobs: Blobs, storage: S3Server | None
) -> None:
    if storage is not None and storage.name == "radosgw":
        pytest.skip(NO_PARTS)
    parts = [os.urandom(3 * 2**20) for _ in range(6)]
    await blobs.put_stream("rows/a", chunks(*parts))
    assert await blobs.size("rows/a") == 18 * 2**20
    sizes, digest = [], hashlib.sha256()
    async for part in blobs.get_stream("rows/a"):
        sizes.append(len(part))
        digest.update(part)
    assert digest.digest() == hashlib.sha256(b"".join(parts)).digest()
    assert max(sizes) <= 4 * 2**20


async def test_a_stream_can_be_left_early(blobs: Blobs) -> None:
    await blobs.put("rows/a", os.urandom(5 * 2**20))
    async with aclosing(blobs.get_stream("rows/a")) as parts:
        assert len(await anext(parts)) > 0
    await blobs.delete("rows/a")
    assert not await blobs.exists("rows/a")


async def test_a_folder_is_walked(blobs: Blobs) -> None:
    before = time.time() - 60
    names = {"a", "rows/b", "rows/c/d", "rows-old/e", "pages/f"}
    for name in names:
        await blobs.put(name, name.encode())
    found = [blob async for blob in blobs.walk()]
    assert {blob.name for blob in found} == names
    assert all(blob.size == len(blob.name) for blob in found)
    assert all(before < blob.stored_at < time.time() + 60 for blob in found)
    assert {blob.name async for blob in blobs.walk("rows")} == {"rows/b", "rows/c/d"}
    assert [blob async for blob in blobs.walk("nothing")] == []
    assert [blob async for blob in blobs.walk("a")] == []


async def test_the_check_leaves_nothing_and_removes_what_was_left(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.put("check/running", b"of another check")
    await blobs.check()
    assert [blob.name async for blob in blobs.walk()] == ["check/running"]
    monkeypatch.setattr(round_trip, "_LEFT_SECONDS", -60.0)  # as if it was old
    await blobs.check()
    assert [blob async for blob in blobs.walk()] == []


async def test_a_part_of_a_blob_is_read(blobs: Blobs, storage: S3Server | None) -> None:
    if storage is not None and storage.name == "radosgw":
        pytest.skip(NO_RANGES)
    await blobs.put("rows/a", bytes(range(100)))
    assert blobs.read_range("rows/a", 10, 3) == bytes([10, 11, 12])
    assert blobs.read_range("rows/a", 98, 30) == bytes([98, 99])
    assert blobs.read_range("rows/a", 100, 5) == b""
    for name in ("rows/b", "rows"):
        with pytest.raises(FileNotFoundError):
            blobs.read_range(name, 0, 1)


async def test_a_url_is_for_one_blob_and_one_method(blobs: Blobs, storage: S3Server | None) -> None:
    url = await blobs.url("environments/a", 60, "PUT")
    if storage is None:
        assert url is None
        return
    assert url is not None
    assert await asyncio.to_thread(status_of, "PUT", url, b"data") == 200
    assert await blobs.get("environments/a") == b"data"
    read = await blobs.url("environments/a", 60, "GET")
    assert read is not None
    assert await asyncio.to_thread(status_of, "GET", read) == 200
    if storage.name in UNCHECKED:
        return
    assert await asyncio.to_thread(status_of, "PUT", read, b"other") == 403
    other = read.replace("environments/a", "environments/b")
    assert await asyncio.to_thread(status_of, "GET", other) == 403


def status_of(method: str, url: str, data: bytes | None = None) -> int:
    request = urllib.request.Request(url, data, method=method)
    request.add_header("Content-Type", "")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
