"""Which environments this machine has, by the names under which runs ask for them.

Each environment has a file with its names in its folder, so they are known after a restart, and
forgotten with the folder.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fyke.model.node import ENVIRONMENT_NAME_LENGTH
from fyke.model.runner import MAX_ENVIRONMENTS

NAMES = "names"  # the file in the folder of an environment: one name in each line

_KEY = re.compile("[0-9a-f]{64}")  # the name of such a folder
_NAME = re.compile(f"[0-9a-f]{{{ENVIRONMENT_NAME_LENGTH}}}")
_MAX_BYTES = 2**16  # of a file that is read


class HeldEnvironments:
    """The environments below ``root``. May be used from several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._used: dict[str, str] | None = None  # keys by name, the last used last

    def note(self, name: str, key: str) -> None:
        """The environment with this name was used; it is in the folder ``key``, "" if a version
        with this name needs none.
        """
        with self._lock:
            used = self._known()
            is_new = used.pop(name, None) != key
            used[name] = key
            if is_new and key:
                # a full disk: then it is not known after a restart
                with suppress(OSError), (self._root / key / NAMES).open("a") as file:
                    os.fchmod(file.fileno(), 0o644)  # Workers can read all of it
                    file.write(f"{name}\n")

    def names(self) -> tuple[str, ...]:
        """The names of those that exist, the last used first, at most ``MAX_ENVIRONMENTS``."""
        with self._lock:
            used = self._known()
            for name in [n for n, key in used.items() if key and not (self._root / key).exists()]:
                del used[name]
            return tuple(reversed(used))[:MAX_ENVIRONMENTS]

    def _known(self) -> dict[str, str]:
        if self._used is None:
            self._used = dict(self._read())
        return self._used

    def _read(self) -> Iterator[tuple[str, str]]:
        found = []
        with suppress(OSError):  # nothing was installed yet
            folders = [folder for folder in self._root.iterdir() if _KEY.fullmatch(folder.name)]
            for folder in folders:
                with suppress(OSError), (folder / NAMES).open() as file:
                    names = file.read(_MAX_BYTES).split()
                    found.append((folder.stat().st_mtime, folder.name, names))
        for _, key, names in sorted(found):
            yield from ((name, key) for name in names if _NAME.fullmatch(name))
