"""Streams a large blob both ways, and prints how many KiB of memory that took at most.

Arguments: the size in MiB, the place, the endpoint, the region, the key id and the secret.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from fyke.kit.s3_place import parse_s3_url
from fyke.storage.blobs.s3 import S3Access, S3Blobs


def peak_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def chunks(size: int) -> AsyncIterator[bytes]:
    chunk = os.urandom(2**20)
    for _ in range(size):
        yield chunk


async def stream(size: int, blobs: S3Blobs) -> int:
    await blobs.put("small", b"data")  # the threads of the library are there
    before = peak_kib()
    await blobs.put_stream("large", chunks(size))
    read = 0
    async for chunk in blobs.get_stream("large"):
        read += len(chunk)
    assert read == size * 2**20
    await blobs.delete("large")
    return peak_kib() - before


if __name__ == "__main__":
    size, place, *access = sys.argv[1:]
    print(asyncio.run(stream(int(size), S3Blobs(parse_s3_url(place), S3Access(*access)))))
