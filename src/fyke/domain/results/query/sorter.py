"""External merge sort: sorts row positions by key, in little memory for any number of rows.

Keys are sorted in chunks of at most 16,384, which are written to a temporary file and merged at the
end. Only the positions stay in memory, four bytes each. Chunks are small, because sorting a chunk
blocks all other threads of the process.
"""

from __future__ import annotations

import heapq
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

CHUNK_RECORDS = 16_384
CHUNK_BYTES = 4 * 2**20
_READ_BYTES = 32 * 1024
_POSITION_BYTES = 4
_LENGTH_BYTES = 4
_INVERT = bytes(range(255, -1, -1))


class Sorter:
    """Takes keys with positions and returns the positions sorted by key, equal keys by position.

    No key may be a prefix of another. ``descending`` reverses the order of the keys; positions of
    equal keys ascend in both orders. The temporary file is in ``scratch``; ``close`` removes it.
    """

    def __init__(self, *, descending: bool, scratch: Path | None) -> None:
        self._descending = descending
        self._scratch = scratch
        self._records: list[bytes] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._chunks: list[tuple[int, int]] = []  # begin and end in the file

    def add(self, key: bytes, position: int) -> None:
        suffix = position.to_bytes(_POSITION_BYTES, "big")
        # the descending order is the ascending one reversed, so equal keys are sorted in reverse
        record = key + (suffix.translate(_INVERT) if self._descending else suffix)
        self._records.append(record)
        self._bytes += len(record)
        if len(self._records) >= CHUNK_RECORDS or self._bytes >= CHUNK_BYTES:
            self._write_chunk()

    def positions(self) -> array[int]:
        """All positions in order. Raises ``OSError`` when the disk is full."""
        self._records.sort()
        if not self._chunks:
            return self._collect(self._records)
        self._write_chunk()
        return self._collect(heapq.merge(*map(self._read, self._chunks)))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write_chunk(self) -> None:
        if not self._records:
            return
        self._records.sort()
        if self._file is None:
            self._file = TemporaryFile(dir=self._scratch, prefix="fyke-sort-")  # noqa: SIM115
        begin = self._file.seek(0, 2)
        parts: list[bytes] = []
        for record in self._records:
            parts += (len(record).to_bytes(_LENGTH_BYTES, "big"), record)
        self._file.write(b"".join(parts))
        self._chunks.append((begin, self._file.tell()))
        self._records = []
        self._bytes = 0

    def _read(self, chunk: tuple[int, int]) -> Iterator[bytes]:
        assert self._file is not None  # noqa: S101 - a chunk was written to it
        at, end = chunk
        buffer = b""
        while at < end or buffer:
            data = self._read_bytes(at, end)
            at += len(data)
            buffer += data
            begin, size = 0, len(buffer)
            while begin + _LENGTH_BYTES <= size:
                stop = (
                    begin
                    + _LENGTH_BYTES
                    + int.from_bytes(buffer[begin : begin + _LENGTH_BYTES], "big")
                )
                if stop > size:
                    break
                yield buffer[begin + _LENGTH_BYTES : stop]
                begin = stop
            buffer = buffer[begin:]

    def _read_bytes(self, at: int, end: int) -> bytes:
        assert self._file is not None  # noqa: S101 - a chunk was written to it
        self._file.seek(at)
        return self._file.read(min(_READ_BYTES, end - at))

    def _collect(self, records: Iterable[bytes]) -> array[int]:
        positions = array("I")
        source = iter(records)
        while block := list(islice(source, CHUNK_RECORDS)):
            joined = b"".join([record[-_POSITION_BYTES:] for record in block])
            positions.frombytes(joined.translate(_INVERT) if self._descending else joined)
        if sys.byteorder == "little":
            positions.byteswap()
        if self._descending:
            positions.reverse()
        return positions
