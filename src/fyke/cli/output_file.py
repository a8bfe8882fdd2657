"""Files that commands write with ``--output``."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fyke.cli.errors import CommandFailed, Exit


def check_output(output: str | Path) -> None:
    """Raise ``CommandFailed`` if the file of ``--output`` cannot be written, before any work."""
    if problem := _unwritable(Path(output)):
        raise CommandFailed(f"--output {output}: {problem}", Exit.USAGE)


@contextlib.contextmanager
def output_file(output: str | Path) -> Iterator[IO[bytes]]:
    """A file for the content of ``--output``; nothing is written there if the block fails.

    A regular file, also at the end of a symbolic link, is replaced atomically. A device or a pipe
    stays and gets the content. Raises ``CommandFailed``, and ``BrokenPipeError`` without a reader.
    """
    path = Path(output)
    try:
        target = path.resolve()
        if path.exists() and not target.is_file():
            with tempfile.TemporaryFile(prefix="fyke-") as file:
                yield file
                file.seek(0)
                with path.open("wb") as device:
                    shutil.copyfileobj(file, device)
            return
        partial = target.with_name(f".{target.name}.part-{os.getpid()}")
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandFailed(f"--output {output}: {error.strerror or error}") from None


def _unwritable(path: Path) -> str:
    """Why the file cannot be written; "" when it can."""
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:  # a name that is too long, a loop of links
        return f"{error.strerror}; name another file"
    folder = path.resolve().parent
    if path.is_dir():
        return "is a folder; name a file"
    if not folder.is_dir():
        missing = folder if path.is_symlink() else path.parent
        return f"there is no folder {missing}; make it, or name another file"
    if not os.access(path if path.exists() else folder, os.W_OK):
        return "may not be written by this user; name another file"
    return ""
