"""Appends records to the journal. One process may do so, and one call at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from fyke.errors import Unavailable
from fyke.kit.files import flush_folder
from fyke.model.results import AttemptBatch
from fyke.storage.sql.results.journal.records import HEAD, encode_body, encode_head
from fyke.storage.sql.results.journal.segments import (
    HEADER,
    MAGIC,
    SUFFIX,
    new_salt,
    this_boot,
)

SEGMENT_BYTES = 16 * 2**20
_IOV_MAX = 1024


class Segment:
    """An open segment. ``end`` is the end of the last record, ``synced`` what is on disk."""

    def __init__(self, path: Path, size: int) -> None:
        """Create the file with ``size`` bytes allocated. Raises ``OSError``."""
        self.path = path
        self.size = size
        self.salt = new_salt()
        self.end = self.synced = HEADER.size
        self._lost = False
        self._remains = 0  # bytes after the end that a failed write may have left
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(self._descriptor, 0, size)
            header = HEADER.pack(MAGIC, self.salt, this_boot())
            _write_all(self._descriptor, [header], len(header), 0)
        except BaseException:
            os.close(self._descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise

    def append(self, parts: list[bytes], size: int) -> None:
        """Write at the end. Raises ``OSError``; then nothing counts as written."""
        if self._remains:
            # complete records of a failed write must not follow a shorter one
            _write_all(self._descriptor, [bytes(self._remains)], self._remains, self.end)
            self._remains = 0
        try:
            _write_all(self._descriptor, parts, size, self.end)
        except OSError:
            self._remains = size
            raise
        self.end += size

    def sync(self) -> None:
        """Flush what was written. After an ``OSError`` every call fails, because what a failed
        flush has lost is not reported twice.
        """
        if self._lost:
            raise OSError(errno.EIO, "an earlier flush of this segment has failed")
        end = self.end
        self._lost = True
        os.fdatasync(self._descriptor)
        self._lost = False
        self.synced = end

    def close(self) -> None:
        os.close(self._descriptor)


class JournalWriter:
    """Appends to the newest segment in ``folder``; begins another when it is full."""

    def __init__(self, folder: Path, first: int) -> None:
        """``first`` is the number of the first segment; it is higher than all in the folder."""
        self._folder = folder
        self._next = first
        self._segments: list[Segment] = []  # the last one is appended to, the others are full
        self._is_new = False  # the name of the newest segment may not be on disk
        self._closing = threading.Lock()  # so that no segment is closed while it is flushed

    @property
    def segment(self) -> int:
        """The number of the newest segment, to which the last record was written."""
        return self._next - 1

    @property
    def is_empty(self) -> bool:
        """Whether there is no segment yet."""
        return not self._segments

    def append(self, records: Sequence[tuple[int, AttemptBatch]], *, begin: bool = True) -> int:
        """Write numbered batches, all or none; return their size. Without ``begin`` no segment is
        created: 0 when there is no room in the newest. Raises ``Unavailable``.
        """
        bodies = [(number, encode_body(batch)) for number, batch in records]
        size = sum(HEAD.size + len(body) for _, body in bodies)
        try:
            segment = self._segment_for(size)
            if segment is None:
                if not begin:
                    return 0
                segment = self._begin(size)
            parts: list[bytes] = []
            for number, body in bodies:
                parts += (encode_head(number, body, segment.salt, segment.synced), body)
            segment.append(parts, size)
        except OSError as error:
            raise Unavailable(f"The row cannot be stored: {error.strerror or error}") from error
        return size

    def prepare(self) -> None:
        """Begin the first segment. Without room for it, ``append`` tries again."""
        if not self._segments:
            with contextlib.suppress(OSError):
                self._begin(0)

    def _segment_for(self, size: int) -> Segment | None:
        if self._segments:
            newest = self._segments[-1]
            if newest.end + size <= newest.size:
                return newest
        return None

    def _begin(self, size: int) -> Segment:
        path = self._folder / f"{self._next:08}{SUFFIX}"
        new = Segment(path, max(SEGMENT_BYTES, HEADER.size + size))
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
