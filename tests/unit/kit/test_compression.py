from __future__ import annotations

import gzip
import random
import tracemalloc
from collections.abc import AsyncGenerator

import pytest

from fyke.kit.compression import ENCODINGS, Encoding, compressed, version
from fyke.kit.zstd import zstd_module

pytestmark = pytest.mark.anyio

DECOMPRESS = {"gzip": gzip.decompress, "zstd": zstd_module().decompress}


class Source:
    def __init__(self, count: int, size: int = 50_000) -> None:
        self.count = count
        self.size = size
        self.closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self.count):
                yield random.Random(number).randbytes(self.size // 2) + bytes(self.size // 2)
        finally:
            self.closed = True


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("count", [0, 1, 7])
async def test_the_file_is_restored_and_smaller(encoding: Encoding, count: int) -> None:
    source = Source(count)
    plain = b"".join([chunk async for chunk in source.chunks()])
    chunks = [chunk async for chunk in compressed(source.chunks(), encoding)]
    data = b"".join(chunks)
    assert all(chunks) and source.closed
    assert DECOMPRESS[encoding](data) == plain
    assert not count or len(data) < 0.6 * len(plain)
    assert data == b"".join([chunk async for chunk in compressed(source.chunks(), encoding)])


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_memory_does_not_grow_with_the_file(encoding: Encoding) -> None:
    async def peak(count: int) -> int:
        tracemalloc.start()
        try:
            async for chunk in compressed(Source(count).chunks(), encoding):
                del chunk
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await peak(5)
    assert await peak(100) < await peak(5) + 2**19  # of 5 MB


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_reader_that_leaves_closes_the_source(encoding: Encoding) -> None:
    source = Source(100)
    chunks = compressed(source.chunks(), encoding)
    assert await anext(chunks)
    await chunks.aclose()
    assert source.closed


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_version_can_be_a_part_of_a_tag(encoding: Encoding) -> None:
    assert version(encoding).replace(".", "").isdigit()
