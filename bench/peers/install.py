"""Environments of the peers, kept in the user's cache folder and rebuilt when the pins change."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).resolve().parent


def python_environment(name: str) -> Path:
    """The ``bin`` folder of an environment with the packages of ``{name}.txt``."""
    requirements = PINS / f"{name}.txt"

    def build(folder: Path) -> None:
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if uv is None:
            raise RuntimeError("uv is missing: run script/test once")
        python = folder / "bin/python"
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        hashed = ["--require-hashes", "-r", str(requirements)]
        _run([uv, "pip", "install", "--quiet", "--python", str(python), *hashed])

    return _kept(name, requirements.read_bytes(), build) / "bin"


def node_packages(name: str) -> Path:
    """A folder with the ``node_modules`` of ``{name}/package-lock.json``."""
    source = PINS / name

    def build(folder: Path) -> None:
        folder.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, folder)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        _run([*command, "--prefix", str(folder)])

    return _kept(name, (source / "package-lock.json").read_bytes(), build)


def _kept(name: str, pins: bytes, build) -> Path:
    """A folder of the cache that ``build`` filled for these pins."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fyke-bench"
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(pins + sys.version.encode()).hexdigest()[:12]
    folder = cache / f"{name}-{digest}"
    complete = folder.with_suffix(".complete")
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {name} into {folder}", file=sys.stderr, flush=True)
        build(folder)
        complete.touch()
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-2000:]}")
