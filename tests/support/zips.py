"""ZIP archives written byte by byte, so that tests can set every field to a wrong value."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field


@dataclass
class Entry:
    """One entry; a field that is not None replaces the correct value."""

    name: str | bytes
    content: bytes = b"x"
    method: int = 8
    mode: int = 0o100644
    system: int = 3
    flags: int = 0x800
    extra: bytes = b""
    local_name: bytes | None = None
    local_extra: bytes = b""
    size: int | None = None
    packed: int | None = None
    crc: int | None = None
    local_size: int | None = None
    local_flags: int | None = None
    local_method: int | None = None
    offset: int | None = None
    payload: bytes | None = None  # instead of the compressed content
    disk: int = 0
    after: bytes = b""  # between this entry and the next one

    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    def data(self) -> bytes:
        if self.payload is not None:
            return self.payload
        if self.method != 8:
            return self.content
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        return compressor.compress(self.content) + compressor.flush()


@dataclass
class End:
    """Fields of the end record that replace the correct values."""

    count: int | None = None
    count_on_disk: int | None = None
    size: int | None = None
    start: int | None = None
    disk: int = 0
    comment: bytes = b""
    before: bytes = b""  # between the directory and this record
    tail: bytes = b""  # after the comment
    prefix: bytes = b""  # before the first entry
    mark: bytes = field(default=b"PK\x05\x06")


def make_zip(entries: list[Entry], end: End | None = None) -> bytes:
    """Return the archive."""
    end = end or End()
    body, offsets = bytearray(end.prefix), []
    for entry in entries:
        offsets.append(len(body))
        body += _local(entry) + entry.data() + entry.after
    start = len(body)
    for entry, offset in zip(entries, offsets, strict=True):
        body += _central(entry, offset if entry.offset is None else entry.offset)
    size = len(body) - start
    body += end.before
    count = len(entries) if end.count is None else end.count
    body += struct.pack(
        "<4s4H2LH",
        end.mark,
        end.disk,
        0,
        count if end.count_on_disk is None else end.count_on_disk,
        count,
        size if end.size is None else end.size,
        start if end.start is None else end.start,
        len(end.comment),
    )
    return bytes(body) + end.comment + end.tail


def _crc_and_sizes(entry: Entry) -> tuple[int, int, int]:
    crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
    packed = len(entry.data()) if entry.packed is None else entry.packed
    return crc, packed, len(entry.content) if entry.size is None else entry.size


def _local(entry: Entry) -> bytes:
    crc, packed, size = _crc_and_sizes(entry)
    name = entry.raw_name() if entry.local_name is None else entry.local_name
    flags = entry.flags if entry.local_flags is None else entry.local_flags
    method = entry.method if entry.local_method is None else entry.local_method
    size = size if entry.local_size is None else entry.local_size
    head = struct.pack(
        "<4s2B4HL2L2H",
        b"PK\x03\x04", 20, 0, flags, method, 0, 0x21, crc, packed, size,
        len(name), len(entry.local_extra),
    )  # fmt: skip
    return head + name + entry.local_extra


def _central(entry: Entry, offset: int) -> bytes:
    crc, packed, size = _crc_and_sizes(entry)
    name = entry.raw_name()
    head = struct.pack(
        "<4s4B4HL2L5H2L",
        b"PK\x01\x02", 20, entry.system, 20, 0, entry.flags, entry.method, 0, 0x21, crc, packed,
        size, len(name), len(entry.extra), 0, entry.disk, 0, entry.mode << 16, offset,
    )  # fmt: skip
    return head + name + entry.extra
