"""Copies of HTTP caches, which the browsers of one run leave for each other.

A browser writes its cache to a memory file system of its own sandbox. When it has ended, the files
are copied from there, and the next browser of the run starts with a copy of the copy: no two
browsers ever have the same files, and nothing of the machine is mounted for it.

A copy is one file on disk without a name, held by a descriptor of this process. So nothing else can
open it, and nothing is left of it when the process ends, however it ends. Its format is for
``browser_host``: the length of a list of names and sizes (8 bytes, big-endian), the list as JSON,
and the contents one after another.

Only entries that any user would have got are copied (``cache_entries``): the subtasks of a run may
have different logins. A hijacked browser writes everything in a copy. What is read of it here is
names, sizes and the ends of regular files, below a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import shutil
import stat
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fyke.sandbox.process.cache_entries import may_be_shared, stored_head
from fyke.sandbox.process.folders import MIN_FREE_BYTES

# of the shared Chromium, in the memory file system /work; see ``browser_host.CACHE``
FOLDER = ("cache", "Default", "Cache", "Cache_Data")
NAME = re.compile(r"[0-9a-f]{16}_0")  # of an entry; Chromium makes a new index
MAX_FILES = 4000
MAX_NAMES = 20_000  # in the folder; with more of them nothing is copied
MAX_HEADS = 4 * 2**20  # bytes of the stored heads that are read to decide about them
MAX_CACHES = 64  # of one client
MAX_BYTES = 64 * 2**20  # of one cache
MAX_TOTAL = 2**30  # bytes of all caches of one client

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Copy:
    descriptor: int
    size: int  # bytes of the contents


@dataclass(slots=True, eq=False)
class _Saving:
    """A copy that is being made."""

    name: str
    dropped: bool = False


class SavedCaches:
    """The copies of one client by name. ``folder`` is on the disk that they are written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closed = False
        self._copies: OrderedDict[str, _Copy] = OrderedDict()  # the least recently used one first
        self._savings: dict[_Saving, asyncio.Task[int]] = {}

    def open(self, name: str) -> int | None:
        """A new descriptor that can only read the copy; None without one."""
        copy = self._copies.get(name)
        if copy is None:
            return None
        self._copies.move_to_end(name)
        return os.open(f"/proc/self/fd/{copy.descriptor}", os.O_RDONLY | os.O_CLOEXEC)

    def size_of(self, name: str) -> int:
        """The bytes of the contents of a copy; 0 without one."""
        copy = self._copies.get(name)
        return copy.size if copy is not None else 0

    async def save(self, name: str, work: int, limit: int) -> int:
        """Copy the cache below ``work``, the file system of a browser whose processes have all
        ended: the newest files that may be shared, at most ``limit`` bytes. A larger copy of that
        name is kept instead. Return the bytes of the copy that there is now. Raise ``OSError`` when
        there is no room on the disk. The copy is also made when the caller no longer waits, since
        its thread cannot be stopped; ``work`` may then be closed.
        """
        saving = _Saving(name)
        task = asyncio.create_task(self._save(saving, os.dup(work), min(limit, MAX_BYTES)))
        self._savings[saving] = task
        return await asyncio.shield(task)

    async def _save(self, saving: _Saving, work: int, limit: int) -> int:
        try:
            copy = await asyncio.to_thread(_copy, work, limit, self._folder)
        finally:
            os.close(work)
            del self._savings[saving]
        if copy is not None:
            unwanted = self._closed or saving.dropped
            if unwanted or self.size_of(saving.name) > copy.size:
                os.close(copy.descriptor)
            else:
                self._forget(saving.name)
                self._copies[saving.name] = copy
                self._make_room()
        return self.size_of(saving.name)

    def drop(self, name: str) -> None:
        """Remove a copy, if there is one, also one that is being made."""
        for saving in self._savings:
            saving.dropped = saving.dropped or saving.name == name
        self._forget(name)

    def _forget(self, name: str) -> None:
        copy = self._copies.pop(name, None)
        if copy is not None:
            os.close(copy.descriptor)

    def close(self) -> None:
        """Remove all copies, and keep no more of them."""
        self._closed = True
        for name in list(self._copies):
            self._forget(name)

    def _make_room(self) -> None:
        total = sum(copy.size for copy in self._copies.values())
        while len(self._copies) > MAX_CACHES or total > MAX_TOTAL:
            name, copy = next(iter(self._copies.items()))
            total -= copy.size
            self._forget(name)


def _copy(work: int, limit: int, folder: Path) -> _Copy | None:
    """Copy a cache; None when there is none. Raise ``OSError`` without room on the disk."""
    with contextlib.ExitStack() as opened:
        try:
            cache = _open_folder(work, opened)
            files = _newest(cache, limit)
        except (OSError, EOFError):  # no browser has written to it, or a hijacked one replaced it
            return None
        size = sum(length for _, length in files)
        if not size:
            return None
        if shutil.disk_usage(folder).free < MIN_FREE_BYTES + size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        target = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            listed = json.dumps(files).encode()
            _write(target, len(listed).to_bytes(8, "big") + listed)
            for name, length in files:
                _append(cache, name, length, target)
        except BaseException as error:
            os.close(target)
            if isinstance(error, EOFError):  # a hijacked browser has replaced a file
                return None
            raise
    return _Copy(target, size)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def _open_folder(work: int, opened: contextlib.ExitStack) -> int:
    folder = work
    for name in FOLDER:
        folder = os.open(name, _FOLDER, dir_fd=folder)
        opened.callback(os.close, folder)
    return folder


def _newest(cache: int, limit: int) -> list[tuple[str, int]]:
    """The names and sizes of the newest entries that may be shared, at most ``limit`` bytes."""
    found: list[tuple[int, str, int]] = []
    with os.scandir(cache) as entries:
        for number, entry in enumerate(entries):
            if number >= MAX_NAMES:
                return []
            if NAME.fullmatch(entry.name):
                state = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(state.st_mode) and state.st_size <= limit:
                    found.append((state.st_mtime_ns, entry.name, state.st_size))
    kept: list[tuple[str, int]] = []
    heads = MAX_HEADS
    for _, name, size in sorted(found, reverse=True)[:MAX_FILES]:
        with _entry(cache, name) as file:
            head = stored_head(file)
        heads -= len(head)
        if heads < 0:
            break
        if not may_be_shared(head):
            continue
        limit -= size
        if limit < 0:
            break
        kept.append((name, size))
    return kept


@contextlib.contextmanager
def _entry(cache: int, name: str) -> Iterator[int]:
    """The file of an entry. Raise ``EOFError`` if it is no longer a file."""
    entry = os.open(name, _FILE, dir_fd=cache)
    try:
        if not stat.S_ISREG(os.fstat(entry).st_mode):
            raise EOFError
        yield entry
    finally:
        os.close(entry)


def _append(cache: int, name: str, length: int, target: int) -> None:
    with _entry(cache, name) as source:
        at = 0
        while at < length:
            sent = os.sendfile(target, source, at, length - at)
            if not sent:
                raise EOFError
            at += sent
