"""Builds a Go project with the user's Go toolchain before it is packed."""

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
def built_program(folder: Path) -> Iterator[dict[str, Path]]:
    """The newly built program of a Go project, for the archive of the folder, by name.

    Empty for other languages, and if Go is not installed. Raises ``CommandFailed`` with the output
    of the compiler.
    """
    if not _is_go_project(folder) or shutil.which("go") is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="fyke-go-") as target:
        program = Path(target, go_build.PROGRAM)
        _build(folder, program)
        yield {go_build.PROGRAM: program}


def _is_go_project(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (go_build.SOURCE, go_build.MODULE))


def _build(folder: Path, program: Path) -> None:
    command, variables = go_build.command(str(program), _architecture())
    env = {**os.environ, **variables}
    try:
        completed = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=MAX_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"go build took more than {MAX_SECONDS} s", Exit.FAILED) from None
    if completed.returncode:
        output = completed.stderr.strip()
        raise CommandFailed(f"go build failed in {folder}:\n{output}", Exit.FAILED)


def _architecture() -> str:
    """``GOARCH``, or the architecture of this machine if Workers can run on it."""
    requested = os.environ.get("GOARCH", "")
    return requested or (ARCHITECTURE if sys.platform == "linux" else "amd64")
