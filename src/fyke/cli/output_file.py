"""Files that commands write with ``--output``."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fyke.cli.errors import CommandFailed, Exit

MAX_LINKS = 40  # as in the kernel


def check_output(output: str | Path) -> None:
    """Raise ``CommandFailed`` if the file of ``--output`` cannot be written, before any work."""
    if problem := _unwritable(Path(output)):
        raise CommandFailed(f"--output {output}: {problem}", Exit.USAGE)


def check_new_output(output: str | Path) -> None:
    """As ``check_output``, for a file that must not exist yet. Raise ``CommandFailed``."""
    check_output(output)
    if Path(output).is_file():
        raise _exists(output)


@contextlib.contextmanager
def new_output_file(output: str | Path) -> Iterator[IO[bytes]]:
    """A file as that of ``output_file``, which only its owner can read. Raises ``CommandFailed`` if
    one with its name exists.
    """
    target = Path(output)
    if target.exists() and not target.is_file():  # a device or a pipe
        with output_file(output) as file:
            yield file
        return
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _exists(output) from None
    except OSError as error:
        raise CommandFailed(f"--output {output}: {error.strerror or error}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:  # a part of it is of no use
        with contextlib.suppress(OSError):
            target.unlink()
        raise


def _exists(output: str | Path) -> CommandFailed:
    return CommandFailed(f"{output} already exists; name a new file with --output", Exit.CONFLICT)


@contextlib.contextmanager
def output_file(output: str | Path) -> Iterator[IO[bytes]]:
    """A file for the content of ``--output``; nothing is written there if the block fails.

    A regular file, also at the end of a symbolic link, is replaced atomically. A device or a pipe
    stays and gets the content. Links of other users than this one and root are not followed.
    Raises ``CommandFailed``, and ``BrokenPipeError`` without a reader.
    """
    try:
        target = _follow(Path(output))
        existing = target.stat() if target.exists() else None
        if existing is None or stat.S_ISREG(existing.st_mode):
            with _replaced(target, _mode(existing)) as file:
                yield file
        else:
            with _open_device(target) as device, tempfile.TemporaryFile(prefix="fyke-") as file:
                yield file
                file.seek(0)
                shutil.copyfileobj(file, device)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandFailed(f"--output {output}: {error.strerror or error}") from None


@contextlib.contextmanager
def _replaced(target: Path, mode: int) -> Iterator[IO[bytes]]:
    """A new file with a random name, which replaces ``target`` after the block."""
    number, name = tempfile.mkstemp(prefix=".fyke-", suffix=".part", dir=target.parent)
    partial = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            os.fchmod(number, mode)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _mode(existing: os.stat_result | None) -> int:
    """The permissions of the file that replaces ``existing``: the same. Those of a new file for
    None, and no more than these if another user made the existing file.
    """
    mask = os.umask(0o077)
    os.umask(mask)
    if existing is None:
        return 0o666 & ~mask
    mode = existing.st_mode & 0o777
    return mode if existing.st_uid == os.geteuid() else mode & ~mask


def _open_device(target: Path) -> IO[bytes]:
    """Open a device or a pipe as it is. Raise ``OSError``, also if it is a regular file by now."""
    # only a descriptor in /proc is still a link here
    descriptor = os.open(target, os.O_WRONLY | (0 if _is_descriptor(target) else os.O_NOFOLLOW))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EEXIST, "was replaced by a regular file in the meantime; try again")
    return os.fdopen(descriptor, "wb")


def _follow(path: Path) -> Path:
    """The path without links, except one to a descriptor that has no path. Raise ``OSError`` for a
    link that neither this user nor root made: it might lead to a file that its owner may not write.
    """
    current = Path("/")
    names = [*reversed((Path.cwd() / path).parts[1:])]
    links = 0
    while names:
        name = names.pop()
        entry = current.parent if name == ".." else current / name
        state = _lstat(entry)
        if state is None or not stat.S_ISLNK(state.st_mode) or _is_descriptor(entry):
            current = entry
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if state.st_uid not in {0, os.geteuid()}:
            rule = "only links of this user and root are followed"
            raise OSError(errno.EPERM, f"{entry} is a link of user {state.st_uid}, and {rule}")
        link = entry.readlink()
        if link.is_absolute():
            current = Path("/")
        names += reversed(link.parts[1:] if link.is_absolute() else link.parts)
    return current


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _is_descriptor(path: Path) -> bool:
    """Whether it is a link in /proc to a pipe or another open file without a path."""
    if path.parts[1:2] != ("proc",) or not path.is_symlink():
        return False
    return path.exists() and not (path.parent / path.readlink()).exists()


def _unwritable(path: Path) -> str:
    """Why the file cannot be written; "" when it can."""
    try:
        folder = _follow(path).parent
        with contextlib.suppress(FileNotFoundError):
            path.stat()
    except OSError as error:  # a name that is too long, a loop of links, a link of another user
        return f"{error.strerror}; name another file"
    if path.is_dir():
        return "is a folder; name a file"
    if not folder.is_dir():
        missing = folder if path.is_symlink() else path.parent
        return f"there is no folder {missing}; make it, or name another file"
    if not os.access(path if path.exists() else folder, os.W_OK):
        return "may not be written by this user; name another file"
    return "" if path.exists() else _unmakeable(folder)


def _unmakeable(folder: Path) -> str:
    """Why no file can be made in the folder, as below /proc, where root may do anything else."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".fyke-", suffix=".part", dir=folder):
            return ""
    except OSError as error:
        return f"no file can be made in {folder} ({error.strerror}); name another file"
