from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.sdk_server import Platform, platform

HERE = Path(__file__).parent / "node"
OURS = Path(__file__).resolve().parents[3] / "sdk" / "node"


@pytest.fixture
def fyke() -> Iterator[Platform]:
    with platform() as running_platform:
        yield running_platform


@pytest.fixture(scope="session")
def node_client() -> Path:
    """A folder with the clients beside their modules, installed once per lock file and kept for
    the next time.
    """
    lock = HERE / "package-lock.json"
    name = f"fyke-test-node-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    folder = Path(tempfile.gettempdir()) / name
    if not (folder / "installed").exists():
        folder.mkdir(exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / file, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)
        assert completed.returncode == 0, completed.stderr
        (folder / "installed").touch()
    for script in (*HERE.glob("*.js"), *OURS.glob("*.js")):
        shutil.copy(script, folder)
    return folder
