"""A segment: a file of records. It is allocated as a whole, so that appending needs no new space
and flushing changes no metadata; what follows the last record is zeros.

What is valid after a crash:

* A process that is killed leaves at most one incomplete record, the last one.
* A loss of power may also lose any part of what was not flushed. Each record states how far the
  segment was flushed when it was written.

So an invalid record is the end of the segment if no valid one follows it; or if the machine was
started again since then and no later record states that the place had been flushed. What follows it
was never acknowledged as being on disk. Everything else is damage.
"""

from __future__ import annotations

import errno
import os
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fyke.storage.sql.results.journal.records import MARKER, Found, JournalRecord, record_at

MAGIC = b"fykejrn1"
HEADER = struct.Struct("<8sI16s16s4x")  # magic, salt, start of the machine, id of the tables
SUFFIX = ".journal"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TRIES = 10
_BLOCK = 4096


@cache
def this_boot() -> bytes:
    """16 bytes that identify this start of the machine."""
    try:
        return uuid.UUID(_BOOT_ID.read_text().strip()).bytes
    except (OSError, ValueError):
        return bytes(16)


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}{SUFFIX}"


def new_salt() -> int:
    return int.from_bytes(os.urandom(4), "little")


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """The end of the records that were read from a segment with this salt."""

    salt: int = 0
    end: int = HEADER.size


START = SegmentEnd()


@dataclass(slots=True)
class SegmentContent:
    """The valid records of a segment, in order, and the positions where others are damaged.
    ``store_id``: of the tables into which they are to be moved; empty without a valid header.
    """

    store_id: bytes = b""
    records: list[JournalRecord] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    last: SegmentEnd = START


def read_segment(path: Path, after: SegmentEnd = START) -> SegmentContent:
    """Read the records after a place in a segment, to which a process may be appending. What the
    disk does not return is damage. Raises ``OSError``.
    """
    damaged: list[int] = []
    for _ in range(_TRIES):
        data, unreadable = _read(path)
        content = parse(data, after)
        content.damaged = content.damaged or unreadable[:1]
        # A read is not one moment: it may miss a record and contain the next. Damage stays.
        if content.damaged in ([], damaged):
            break
        damaged = content.damaged
    return content


def _read(path: Path) -> tuple[bytes, list[int]]:
    """The bytes of a file, zeros for the blocks that the disk does not return, and the positions of
    these.
    """
    try:
        return path.read_bytes(), []
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    blocks: list[bytes] = []
    unreadable: list[int] = []
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for start in range(0, size, _BLOCK):
            length = min(_BLOCK, size - start)
            try:
                blocks.append(os.pread(file.fileno(), length, start).ljust(length, b"\0"))
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                unreadable.append(start)
                blocks.append(bytes(length))
    return b"".join(blocks), unreadable


def parse(data: bytes, after: SegmentEnd = START) -> SegmentContent:
    """The content of a segment with these bytes."""
    found = SegmentContent()
    if len(data) < HEADER.size:
        return found
    magic, salt, boot, store_id = HEADER.unpack_from(data)
    if magic != MAGIC:
        if data.strip(b"\0"):
            found.damaged.append(0)
        return found
    found.store_id = store_id
    at = after.end if after.salt == salt else HEADER.size
    valid = list(_valid(data, at, salt))
    for index, record in enumerate(valid):
        if record.start != at:
            if boot != this_boot() and all(later.synced <= at for later in valid[index:]):
                break
            found.damaged.append(at)
        found.records.append(record.record)
        at = record.end
    found.last = SegmentEnd(salt, at)
    return found


def _valid(data: bytes, at: int, salt: int) -> Iterator[Found]:
    """All valid records from a position on. What is between them is skipped."""
    view = memoryview(data)
    while at >= 0:
        record = record_at(view, at, salt)
        if record is not None:
            yield record
        at = record.end if record is not None else data.find(MARKER, at + 1)
