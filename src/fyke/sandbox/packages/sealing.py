"""Checks, moves and seals the files of an installer.

Only files and folders are accepted. They get plain modes, and a digest over every path and byte,
which is stored beside them and verified before another Worker gets them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from fyke.reasons import Detail, DetailCode, detail_sentence

MAX_FILES = 300_000
MAX_DEPTH = 60
MAX_PATH = 2000  # characters, below the folder
BLOCK = 512


class BadTree(Exception):
    """The tree is not accepted."""

    def __init__(self, code: DetailCode, **params: str | int) -> None:
        self.detail = Detail.of(code, **params)
        super().__init__(detail_sentence(self.detail))


@dataclass(frozen=True, slots=True)
class Seal:
    """The digest and size of a sealed tree."""

    digest: str
    files: int
    size: int  # bytes


def check(folder: Path, max_bytes: int) -> None:
    """Raise ``BadTree`` for anything but files and folders, or for too many or too large ones.

    No other process may use the folder. Folders without read permission get it.
    """
    files = size = 0
    open_folder(folder)
    stack = [(folder, 0, "")]
    while stack:
        parent, depth, name = stack.pop()
        if depth > MAX_DEPTH or len(name) > MAX_PATH:
            raise BadTree(DetailCode.FILES_TOO_DEEP)
        for entry in os.scandir(parent):
            state = entry.stat(follow_symlinks=False)
            files += 1
            if stat.S_ISDIR(state.st_mode):
                path = Path(entry.path)
                path.chmod(0o755)
                stack.append((path, depth + 1, f"{name}/{entry.name}"))
            elif not stat.S_ISREG(state.st_mode):
                shown = entry.name.encode("utf-8", "replace").decode()
                raise BadTree(DetailCode.FILES_LINK, name=shown)
            size += max(state.st_blocks * BLOCK, state.st_size)
            if size > max_bytes:
                raise BadTree(DetailCode.FILES_TOO_LARGE, max_bytes=max_bytes)
            if files > MAX_FILES:
                raise BadTree(DetailCode.FILES_TOO_MANY, max_files=MAX_FILES)


def open_folder(folder: Path) -> None:
    """Make a folder readable. Raise ``BadTree`` when it is not a folder."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        raise BadTree(DetailCode.FILES_NONE) from None
    if not stat.S_ISDIR(mode):
        raise BadTree(DetailCode.FILES_NOT_A_FOLDER)
    folder.chmod(0o755)


def take(source: Path, target: Path) -> None:
    """Move a checked tree; copy it when the target is on another file system."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copytree(source, target, symlinks=True)


def seal(folder: Path) -> Seal:
    """Make the tree readable for all users and writable for none; return its seal."""
    folder.chmod(0o755)
    for path, state in _walk(folder):
        if stat.S_ISDIR(state.st_mode):
            path.chmod(0o755)
        elif stat.S_ISREG(state.st_mode):
            path.chmod(0o555 if state.st_mode & 0o111 else 0o444)
    return read_tree(folder)


def read_tree(folder: Path) -> Seal:
    """Compute the seal of the tree as it is now."""
    total, files, size = hashlib.sha256(), 0, 0
    for path, state in _walk(folder):
        name = os.fsencode(path.relative_to(folder))
        if stat.S_ISDIR(state.st_mode):
            kind, content = b"d", b""
        elif stat.S_ISREG(state.st_mode):
            kind = b"x" if state.st_mode & 0o111 else b"f"
            with path.open("rb", buffering=0) as file:
                content = hashlib.file_digest(file, "sha256").digest()
            size += state.st_size
        else:
            kind, content = b"l", os.fsencode(path.readlink())
        files += 1
        for part in (kind, name, content):
            total.update(len(part).to_bytes(8, "big") + part)
    return Seal(total.hexdigest(), files, size)


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every path below, in an order that does not depend on the file system."""
    pending = [folder]
    while pending:
        parent = pending.pop()
        for entry in sorted(os.scandir(parent), key=lambda item: os.fsencode(item.name)):
            state = entry.stat(follow_symlinks=False)
            yield Path(entry.path), state
            if stat.S_ISDIR(state.st_mode):
                pending.append(Path(entry.path))


def write(file: Path, value: Seal) -> None:
    """Store a seal."""
    file.write_text(json.dumps(asdict(value)), "utf-8")
    file.chmod(0o444)


def read(file: Path) -> Seal | None:
    """Read a stored seal; None when it is missing or damaged."""
    try:
        return Seal(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
