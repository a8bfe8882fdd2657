"""Building a Go project before it is packed, with the Go toolchain of the calling user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fyke.cli.errors import CommandFailed, Exit
from fyke.domain.workers import go_build
from fyke.domain.workers.elf import ARCHITECTURE

MAX_SECONDS = 600


@contextmanager
def program_of(folder: Path) -> Iterator[dict[str, Path]]:
    """What goes into the archive of the folder beside or in place of its own files: the program
    of a Go project, built now. Empty for other languages, and where Go is not installed.

    Raise ``CommandFailed`` with what the compiler said.
    """
    if not _is_go(folder) or shutil.which("go") is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="fyke-go-") as target:
        program = Path(target, go_build.PROGRAM)
        _build(folder, program)
        yield {go_build.PROGRAM: program}


def _is_go(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (go_build.SOURCE, go_build.MODULE))


def _build(folder: Path, program: Path) -> None:
    command, variables = go_build.command(str(program), _architecture())
    env = {**os.environ, **variables}
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=MAX_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"go build took more than {MAX_SECONDS} s", Exit.FAILED) from None
    if done.returncode:
        said = done.stderr.strip()
        raise CommandFailed(f"go build failed in {folder}:\n{said}", Exit.FAILED)


def _architecture() -> str:
    """The author's choice, else that of this machine if Workers can run on it."""
    named = os.environ.get("GOARCH", "")
    return named or (ARCHITECTURE if sys.platform == "linux" else "amd64")
