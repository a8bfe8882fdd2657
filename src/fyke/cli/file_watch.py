"""Finds files of a project that have changed, by their times and sizes."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fyke.domain.workers.entry_names import is_build_output, is_left_out

PAUSE_SECONDS = 0.5
SETTLE_SECONDS = 0.1  # an editor writes several files, or one in several steps
MAX_ROUNDS = 20  # of waiting for a file that changes repeatedly
BUSY_SHARE = 10  # looking takes at most this fraction of the time, however many files there are
# what editors write beside the file that is edited
_EDITOR_SUFFIXES = ("~", ".swp", ".swo", ".swx")
_EDITOR_PREFIXES = (".#", ".goutputstream-")
_EDITOR_NAMES = frozenset({"4913"})

State = tuple[int, int, int]
Identity = tuple[int, int]  # device and number of a file


class FileWatch:
    """The files below ``folder`` that a project consists of, and the files ``others``. ``output``,
    what a run writes beside it, and files that this process prints to do not count.

    ``wait`` waits for seconds, and returns whether the watch is to end.
    """

    def __init__(
        self,
        folder: Path,
        others: Sequence[Path] = (),
        output: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool],
    ) -> None:
        self._folder = folder.resolve()
        self._others = others
        # a link, and the file that it leads to
        self._outputs = [output.parent.resolve() / output.name, output.resolve()] if output else []
        self._printed = _printed_files()
        self._clock = clock
        self._wait = wait
        self._seen: dict[str, State] = {}
        self.pause = PAUSE_SECONDS  # seconds until the next call of ``changes``

    def changes(self) -> list[str]:
        """The names of files that were added, changed or removed since the last call, once they
        stay as they are.
        """
        started = self._clock()
        now = self._look()
        self.pause = max(PAUSE_SECONDS, BUSY_SHARE * (self._clock() - started))
        if now == self._seen:
            return []
        for _ in range(MAX_ROUNDS):
            if self._wait(SETTLE_SECONDS):
                return []
            later = self._look()
            if later == now:
                break
            now = later
        seen, self._seen = self._seen, now
        return sorted(name for name in {*seen, *now} if seen.get(name) != now.get(name))

    def _look(self) -> dict[str, State]:
        found: dict[str, State] = {}
        _scan(str(self._folder), "", found, self._is_output)
        for path in self._others:
            with contextlib.suppress(OSError):
                found.setdefault(str(path), _state(path.stat()))
        return found

    def _is_output(self, entry: os.DirEntry[str]) -> bool:
        """Whether a run writes this file or folder."""
        if self._printed and _identity(entry.stat(follow_symlinks=False)) in self._printed:
            return True
        folder, _, name = entry.path.rpartition("/")
        for output in self._outputs:
            if folder != str(output.parent):
                continue
            is_partial = name.startswith(".fyke-") and name.endswith(".part")
            if name == output.name or is_partial or name.startswith(f"{output.stem}-pages-"):
                return True
        return False


def _scan(
    folder: str, above: str, found: dict[str, State], is_output: Callable[[os.DirEntry[str]], bool]
) -> None:
    """Add the files below ``folder``; one that cannot be read has no files."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = above + entry.name
            with contextlib.suppress(OSError):
                is_folder = entry.is_dir(follow_symlinks=False)
                path = f"{name}/" if is_folder else name
                if _is_ignored(entry.name, path) or is_output(entry):
                    continue
                if is_folder:
                    _scan(entry.path, path, found, is_output)
                else:
                    found[name] = _state(entry.stat(follow_symlinks=False))


def _is_ignored(name: str, path: str) -> bool:
    if name in _EDITOR_NAMES or name.endswith(_EDITOR_SUFFIXES):
        return True
    return name.startswith(_EDITOR_PREFIXES) or is_left_out(path) or is_build_output(path)


def _printed_files() -> set[Identity]:
    """The files that standard output and standard error go to."""
    found = set()
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                found.add(_identity(status))
    return found


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _state(status: os.stat_result) -> State:
    return status.st_mtime_ns, status.st_size, status.st_ino
