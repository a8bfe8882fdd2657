"""The versions of Python and Node.js in which the clients are tested, beside those of the suite."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PYTHON = ("3.11", "3.13")
NODE = ("20", "22", "26")
PINNED_NODE = Path(__file__).parents[1] / "e2e" / "node_versions"
UV = Path(sys.executable).with_name("uv")
MACHINE = {"x86_64": "x64", "aarch64": "arm64"}


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    """Return what a command prints to both outputs; it must succeed. It does not see the
    environment of the suite's Python.
    """
    hidden = ("FYKE_", "PYTHON", "VIRTUAL_ENV")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def kept_folder(*sources: Path) -> tuple[Path, bool]:
    """A cached folder for the versions that these files pin, and whether it is complete."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"fyke-test-generators-{digest[:12]}"
    folder.mkdir(exist_ok=True)
    return folder, (folder / "installed").exists()


def new_environment(folder: Path, version: str, pinned: Path) -> Path:
    """The Python of a new virtual environment with the packages of a file with hashes. Skips the
    test if this machine does not have that version.
    """
    find = [UV, "python", "find", "--no-python-downloads", "--no-project", version]
    found = subprocess.run(find, cwd=folder, capture_output=True, text=True, timeout=60)
    if found.returncode:
        pytest.skip(f"Python {version} is not installed")
    where = folder / f"python-{version}"
    run(UV, "venv", "-q", "--no-project", "--python", found.stdout.strip(), where, folder=folder)
    python = where / "bin" / "python"
    install = [UV, "pip", "install", "-q", "--python", python]
    run(*install, "--require-hashes", "-r", pinned, folder=folder)
    return python


def node_of(version: str) -> Path:
    """The program of a version of Node.js, which is installed once. Skips the test where there is
    none for this machine.
    """
    machine = MACHINE.get(platform.machine())
    if machine is None:
        pytest.skip(f"Node.js {version} is not available for {platform.machine()}")
    files = [PINNED_NODE / name for name in ("package.json", "package-lock.json")]
    folder, installed = kept_folder(*files)
    if not installed:
        for file in files:
            shutil.copy(file, folder)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
        (folder / "installed").touch()
    program = folder / "node_modules" / f"node-{version}-{machine}" / "bin" / "node"
    assert run(program, "--version", folder=folder).startswith(f"v{version}.")
    return program
