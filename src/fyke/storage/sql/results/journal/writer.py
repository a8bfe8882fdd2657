"""Appends records to the journal. One process may do so, and one call at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from fyke.errors import Unavailable
from fyke.kit.files import flush_folder
from fyke.model.results import AttemptBatch
from fyke.storage.sql.results.journal.records import HEAD, encode_body, encode_head
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
        """Create the file with ``size`` bytes allocated. Raises ``OSError``."""
        self.path = path
        self.size = size
        self.salt = new_salt()
        self.end = self.synced = HEADER.size
        self._lost = False
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(self._descriptor, 0, size)
            header = HEADER.pack(MAGIC, self.salt, this_boot(), store_id)
            _write_all(self._descriptor, [header], len(header), 0)
        except BaseException:
            os.close(self._descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise

    def append(self, parts: list[bytes], size: int) -> None:
        """Write at the end. After an ``OSError`` any part may have been written, and another
        process may have read it. So this place is not written again: the segment is full.
        """
        try:
            _write_all(self._descriptor, parts, size, self.end)
        except Exception:
            self.size = 0
            self._lost = True
            raise
        self.end += size  # not before: another thread may flush in the meantime

    def sync(self) -> None:
        """Flush what was written. After an ``OSError``, here or in ``append``, every call fails:
        what a failed flush has lost is not reported twice.
        """
        if self._lost:
            raise OSError(errno.EIO, "this segment could not be written")
        end = self.end
        self._lost = True
        os.fdatasync(self._descriptor)
        self._lost = False
        self.synced = end

    def close(self) -> None:
        os.close(self._descriptor)


class JournalWriter:
    """Appends to the newest segment in ``folder``; begins another when it is full."""

    def __init__(self, folder: Path, store_id: bytes, first: int) -> None:
        """``store_id`` names the tables into which the records are to be moved. ``first`` is the
        number of the first segment; it is higher than all in the folder.
        """
        self._folder = folder
        self._store_id = store_id
        self._next = first
        self._segments: list[Segment] = []  # the last one is appended to, the others are full
        self._is_new = False  # the name of the newest segment may not be on disk
        self._closing = threading.Lock()  # so that no segment is closed while it is flushed

    @property
    def segment(self) -> int:
        """The number of the newest segment, to which the last record was written."""
        return self._next - 1

    def append(
        self, records: Sequence[tuple[int, AttemptBatch]], *, begin: bool = True
    ) -> tuple[int, bool]:
        """Write numbered batches; return their size, and whether all were written. If not, any of
        them may have been: their numbers are used. Without ``begin`` no segment is created: the
        size is 0 when there is no room in the newest. Raises ``Unavailable`` when there is no room
        for another; then nothing was written.
        """
        bodies = [(number, encode_body(batch)) for number, batch in records]
        size = sum(HEAD.size + len(body) for _, body in bodies)
        segment = self._segment_for(size)
        if segment is None:
            if not begin:
                return 0, False
            try:
                segment = self._begin(size)
            except OSError as error:
                raise Unavailable(f"The row cannot be stored: {error.strerror or error}") from error
        parts: list[bytes] = []
        for number, body in bodies:
            parts += (encode_head(number, body, segment.salt, segment.synced), body)
        try:
            segment.append(parts, size)
        except Exception as error:
            log.warning("journal_not_written", segment=segment.path.name, error=str(error))
            return size, False
        return size, True

    def prepare(self) -> None:
        """Begin a segment. Without room for it, ``append`` tries again."""
        with contextlib.suppress(OSError):
            self._begin(0)

    def _segment_for(self, size: int) -> Segment | None:
        if self._segments:
            newest = self._segments[-1]
            if newest.end + size <= newest.size:
                return newest
        return None

    def _begin(self, size: int) -> Segment:
        while segment_path(self._folder, self._next).exists():
            self._next += 1  # left by an earlier try that failed
        path = segment_path(self._folder, self._next)
        new = Segment(path, self._store_id, max(SEGMENT_BYTES, HEADER.size + size))
        self._segments.append(new)
        self._next += 1
        self._is_new = True
        return new

    def sync(self) -> None:
        """Flush all that was written. Raises ``OSError``, also for later calls, until the segments
        concerned were taken.
        """
        with self._closing:
            for segment in self._segments[:]:
                if segment.synced < segment.end:
                    segment.sync()
        if self._is_new:
            flush_folder(self._folder)
            self._is_new = False

    def begin_segment(self) -> None:
        """Write no more to the newest segment."""
        if self._segments:
            self._segments[-1].size = 0

    def take_before(self, number: int) -> list[Path]:
        """Close all segments before this number; return their paths."""
        done = [s for s in self._segments if int(s.path.stem) < number]
        with self._closing:
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
