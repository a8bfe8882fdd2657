"""The programs of earlier releases, installed as ``docs/how-to/upgrade.md`` says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.booted import Booted

ROOT = Path(__file__).parents[2]
# 0.1.0 has no tag. Its changelog was written some hours before (e5a93522), but its tables are those
# of this commit, the last one that wrote tests/data/releases/0.1.0.
COMMITS = {"0.1.0": "ac5684a7c1c207656997f2e1f4acb9d968485243"}


class Released(Booted):
    """``fyke up`` of an earlier release. Set ``program`` to what ``install`` returns."""

    def environment(self) -> dict[str, str]:
        ours = super().environment() | {"PYTHONPATH": ""}
        later = ("FYKE_WARM_SANDBOXES", "FYKE_WARM_BROWSERS")  # settings that 0.1.0 lacks
        return {name: value for name, value in ours.items() if name not in later}


def install(version: str, folder: Path) -> tuple[str, ...]:
    """Build a release from its commit, with the packages that it pins; return its command.

    ``folder`` is one that the service user can enter. Skip the test when the commit is not in the
    history of this clone.
    """
    source, environment = folder / "source", folder / f"fyke-{version}"
    source.mkdir()
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", COMMITS[version]], capture_output=True, timeout=60
    )
    if archive.returncode != 0:
        reason = archive.stderr.decode().strip().splitlines()[-1:]
        pytest.skip(f"this clone has no history with the commit of {version}: {reason}")
    subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True, timeout=60)
    built = environment / "dist"
    pip = ("pip", "install", "--python", environment, "--compile-bytecode")
    build = ("build", "--wheel", "--require-hashes", "--build-constraints")
    _uv(source, "venv", "--python", "/usr/bin/python3", environment)
    _uv(source, *pip, "--require-hashes", "-r", "requirements/runtime.txt")
    _uv(source, *build, "requirements/build.txt", "--out-dir", built)
    _uv(source, *pip, "--no-deps", built / f"fyke-{version}-py3-none-any.whl")
    return (str(environment / "bin" / "fyke"),)


def _uv(folder: Path, *arguments: str | Path) -> None:
    command = [Path(sys.prefix) / "bin" / "uv", *arguments]
    done = subprocess.run(
        command, cwd=folder, umask=0o022, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
