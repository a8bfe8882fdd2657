"""Appends records to the journal. One process may do so, and one call at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from fyke.errors import Unavailable
from fyke.kit.files import flush_folder
from fyke.storage.sql.results.journal.records import (
    HEAD,
    JournalRecord,
    encode_body,
    encode_head,
)
from fyke.storage.sql.results.journal.segments import (
    HEADER,
    MAGIC,
    new_salt,
    segment_path,
    this_boot,
)

SEGMENT_BYTES = 16 * 2**20
_IOV_MAX = 1024

log = structlog.get_logger(__name__)


class Segment:
    """An open segment. ``end`` is the end of the last record, ``synced`` what is on disk."""

    def __init__(self, path: Path, store_id: bytes, size: int) -> None:
        """Create the file with ``size`` bytes allocated, and flush its header and its name: without
        them, records that reach the disk by themselves would be damage. Raises ``OSError``.
        """
        self.path = path
        self.size = size
        self.salt = new_salt()
        self.end = self.synced = HEADER.size
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(self._descriptor, 0, size)
            header = HEADER.pack(MAGIC, self.salt, this_boot(), store_id)
            _write_all(self._descriptor, [header], len(header), 0)
            self.flush()
            flush_folder(path.parent)
            flush_folder(path.parent.parent)  # the folder may be new, too
        except BaseException:
            os.close(self._descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise

    def append(self, parts: list[bytes], size: int) -> None:
        """Write at the end. Raises ``OSError``."""
        _write_all(self._descriptor, parts, size, self.end)
        self.end += size

    def flush(self) -> None:
        """Flush what was written. Raises ``OSError``."""
        os.fdatasync(self._descriptor)
        self.synced = self.end

    def close(self) -> None:
        os.close(self._descriptor)


class JournalWriter:
    """Appends to the newest segment in ``folder``; begins another when it is full.

    After a failed write or flush it is not known which records are in the segments, and another
    process may have read them. ``failed`` is True then, and nothing more is written until the
    caller has moved all records from memory, taken all segments, and set it back.
    """

    def __init__(self, folder: Path, store_id: bytes, first: int, *, durable: bool = False) -> None:
        """``store_id`` names the tables into which the records are to be moved. ``first`` is the
        number of the first segment; it is higher than all in the folder. ``durable``: each record
        is flushed.
        """
        self._folder = folder
        self._store_id = store_id
        self._next = first
        self._durable = durable
        self._segments: list[Segment] = []  # the last one is appended to, the others are full
        self.failed = False

    @property
    def segment(self) -> int:
        """The number of the newest segment, to which the last record was written."""
        return self._next - 1

    def append(self, records: Sequence[JournalRecord], *, begin: bool = True) -> tuple[int, bool]:
        """Write records; return their size, and whether all were written. If not, any of
        them may have been: their numbers are used. Without ``begin`` no segment is created: the
        size is 0 when there is no room in the newest. Raises ``Unavailable`` when there is no room
        for another, or after a failure; then nothing was written.
        """
        if self.failed:
            raise Unavailable("The journal of rows is not used until all of it was moved")
        bodies = [encode_body(record.batch) for record in records]
        size = sum(HEAD.size + len(body) for body in bodies)
        segment = self._segments[-1] if self._segments else None
        if segment is None or segment.end + size > segment.size:
            if not begin:
                return 0, False
            try:
                segment = self._begin(size)
            except OSError as error:
                raise Unavailable(f"The row cannot be stored: {error.strerror or error}") from error
        parts: list[bytes] = []
        for record, body in zip(records, bodies, strict=True):
            parts += (encode_head(record.number, body, segment.salt, segment.synced), body)
        try:
            segment.append(parts, size)
            if self._durable:
                segment.flush()
        except Exception as error:
            log.warning("journal_not_written", segment=segment.path.name, error=str(error))
            self.failed = True
        return size, not self.failed

    def prepare(self) -> None:
        """Begin a segment. Without room for it, ``append`` tries again."""
        with contextlib.suppress(OSError):
            self._begin(0)

    def _begin(self, size: int) -> Segment:
        number = self._next
        while segment_path(self._folder, number).exists():
            number += 1  # left by an earlier try that failed
        path = segment_path(self._folder, number)
        new = Segment(path, self._store_id, max(SEGMENT_BYTES, HEADER.size + size))
        self._segments.append(new)
        self._next = number + 1
        return new

    def take_before(self, number: int) -> list[Path]:
        """Close all segments before this number; return their paths. A thread may append at the
        same time to one from this number on.
        """
        done = [s for s in self._segments if int(s.path.stem) < number]
        for segment in done:
            self._segments.remove(segment)
            segment.close()
        return [segment.path for segment in done]


def _write_all(descriptor: int, parts: list[bytes], size: int, position: int) -> None:
    """Write all parts one after another at ``position``."""
    if len(parts) <= _IOV_MAX:
        written = os.pwritev(descriptor, parts, position)
        if written == size:
            return
    else:
        written = 0
    rest = memoryview(b"".join(parts))[written:]
    while rest:
        done = os.pwrite(descriptor, rest, position + written)
        rest, written = rest[done:], written + done
