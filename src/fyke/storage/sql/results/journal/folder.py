"""The journal of an installation: a folder with segments and a lock.

A process that moves records into ``rows.db`` has the lock. A process that closes an attempt of
another one increments a counter in the file of the lock, and then moves what the journal contains.
The runner compares the counter after it has written a record and before it acknowledges it: if it
has not changed, the record was in the journal before the attempt could be closed. So no lock is
taken for a push, and a runner that is frozen at any point cannot acknowledge a row that is not
stored.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from fyke.errors import Unavailable
from fyke.kit.file_lock import try_lock
from fyke.kit.files import flush_folder
from fyke.storage.sql.results.journal.segments import (
    START,
    SUFFIX,
    SegmentContent,
    SegmentEnd,
    read_segment,
)

LOCK_SECONDS = 10.0
_LOCK_POLL_SECONDS = 0.002
LOCK = "lock"
_COUNTER = struct.Struct("<Q")
_NAME = re.compile(r"\d+" + re.escape(SUFFIX))
DAMAGED = ".damaged"
FOREIGN = ".foreign"  # has records of another rows.db


class JournalFolder:
    """Reads the files of a journal. All methods may raise ``Unavailable``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_file = path / LOCK

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the journal against all others that move its records or close attempts."""
        with _unavailable():
            self.path.mkdir(mode=0o700, exist_ok=True)
            descriptor = self._lock()
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self) -> int:
        until = time.monotonic() + LOCK_SECONDS
        while (descriptor := try_lock(self._lock_file)) is None:
            if time.monotonic() > until:
                raise Unavailable(f"Another process has locked {self.path} for too long")
            time.sleep(_LOCK_POLL_SECONDS)
        return descriptor

    def announce_fence(self) -> None:
        """Notify the runner that attempts are about to be closed. Needs the lock."""
        with _unavailable():
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CLOEXEC)
            try:
                content = os.pread(descriptor, _COUNTER.size, 0).ljust(_COUNTER.size, b"\0")
                (count,) = _COUNTER.unpack(content)
                os.pwrite(descriptor, _COUNTER.pack(count + 1), 0)
            finally:
                os.close(descriptor)

    def fences(self) -> Fences:
        """The counter, for the process that appends."""
        with self.locked(), _unavailable():
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_size < _COUNTER.size:
                    os.pwrite(descriptor, bytes(_COUNTER.size), 0)
                return Fences(mmap.mmap(descriptor, _COUNTER.size, prot=mmap.PROT_READ))
            finally:
                os.close(descriptor)

    def segments(self) -> list[Path]:
        """All segments, oldest first."""
        with _unavailable():
            found = [path for path in self.path.glob(f"*{SUFFIX}") if _NAME.fullmatch(path.name)]
            return sorted(found, key=lambda path: int(path.stem))

    def read(self, ends: dict[Path, SegmentEnd]) -> Iterator[tuple[Path, SegmentContent]]:
        """What each segment has after its end in ``ends``, oldest first. ``ends`` is updated.
        Needs the lock.
        """
        segments = self.segments()
        for path in ends.keys() - segments:
            del ends[path]
        for path in segments:
            with _unavailable():
                content = read_segment(path, ends.get(path, START))
            yield path, content
            ends[path] = content.last

    def findings(self, store_id: bytes | None) -> list[str]:
        """One sentence for each file that is not as it should be. ``store_id`` is that of rows.db
        if it is known. Changes nothing.
        """
        found: list[str] = []
        segments = self.segments()
        for segment in segments:
            try:
                content = read_segment(segment)
            except FileNotFoundError:  # its records were moved in the meantime
                continue
            except OSError as error:
                found.append(f"{segment} cannot be read: {error.strerror}")
                continue
            if content.damaged:
                found.append(
                    f"the journal {segment} is damaged at byte {content.damaged[0]}: rows that "
                    "were acknowledged may be missing. The next start moves what is intact into "
                    f"rows.db and renames the file to {segment.name}{DAMAGED}"
                )
            if content.store_id and store_id not in (None, content.store_id):
                found.append(
                    f"the journal {segment} belongs to another rows.db. The next start moves "
                    f"nothing of it and renames the file to {segment.name}{FOREIGN}"
                )
        with _unavailable():
            rest = sorted(self.path.iterdir()) if self.path.is_dir() else []
        found += [_other_file(path) for path in rest if path not in segments]
        return [finding for finding in found if finding]

    def keep(self, segment: Path, reason: str) -> None:
        """Keep the file of a segment also after ``remove``, with ``reason`` after its name. Needs
        the lock. May be repeated.
        """
        with _unavailable():
            kept = self._kept(segment, reason)
            if not kept.exists():
                kept.hardlink_to(segment)
                flush_folder(self.path)

    def set_aside(self, segment: Path, reason: str) -> None:
        """Rename a segment: its name gets ``reason`` after it. Needs the lock."""
        with _unavailable():
            kept = self._kept(segment, reason)
            if kept.exists():  # renaming a file to another name of it does nothing
                segment.unlink()
            else:
                segment.rename(kept)
            flush_folder(self.path)

    def _kept(self, segment: Path, reason: str) -> Path:
        """The name that the file already has with ``reason``, or a free one."""
        names = (f"{segment.name}{reason}{suffix or ''}" for suffix in count())
        kept = (self.path / name for name in names)
        return next(path for path in kept if not path.exists() or path.samefile(segment))

    def remove(self, segment: Path) -> None:
        """Remove a segment whose records were moved."""
        with _unavailable():
            segment.unlink(missing_ok=True)


def _other_file(path: Path) -> str:
    """The finding about a file that is no segment, empty for those that belong here."""
    if _NAME.fullmatch(path.name.partition(DAMAGED)[0]) and DAMAGED in path.name:
        return (
            f"the journal {path} was damaged: rows that were acknowledged may be missing. What "
            "was intact is in rows.db. Restore a backup, or delete the file to accept the loss"
        )
    if _NAME.fullmatch(path.name.partition(FOREIGN)[0]) and FOREIGN in path.name:
        return (
            f"the journal {path} belongs to another rows.db, and nothing of it was moved. Put the "
            f"rows.db back with which it was written, or delete the file to accept the loss"
        )
    # a segment may have been removed or started in the meantime
    if path.name == LOCK or _NAME.fullmatch(path.name):
        return ""
    return f"{path} is no file of the journal: move it elsewhere"


class Fences:
    """The counter of announced fences, in shared memory."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._counter = memoryview(memory).cast("Q")

    @property
    def count(self) -> int:
        return self._counter[0]

    def close(self) -> None:
        self._counter.release()
        self._memory.close()


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"The journal of rows cannot be used: {error.strerror or error}"
        ) from error
