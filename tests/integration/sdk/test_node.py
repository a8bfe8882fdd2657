"""The client of Node.js Workers (``@grpc/grpc-js``), which frames calls its own way."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from support.sdk_server import Platform, rows_of

HERE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def client() -> Path:
    """The script beside its modules, installed once per lock file and kept for the next time."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not found: install Node.js 20 or later for this test")
    lock = HERE / "package-lock.json"
    name = f"fyke-test-node-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    folder = Path(tempfile.gettempdir()) / name
    if not (folder / "installed").exists():
        folder.mkdir(exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / file, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stderr
        (folder / "installed").touch()
    shutil.copy(HERE / "client.js", folder)
    return folder / "client.js"


def run(client: Path, port: int, scenario: str) -> Any:
    command = ["node", str(client), str(port), scenario]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_calls(fyke: Platform, client: Path) -> None:
    big_input = json.dumps({"a": "x" * 3_000_000})
    port, attempt = fyke.thread.run(fyke.attempt(input_json=big_input.encode()))
    outcome = run(client, port, "every")
    success = {"code": 0, "text": "success"}
    assert outcome == {"input": len(big_input), "push": success, "log": success}
    fyke.thread.run(attempt.flush())
    assert rows_of(fyke) == ['{"a":"é😀"}'.encode()]
    assert fyke.results.lines == ["careful"]


def test_a_thousand_calls_at_once(fyke: Platform, client: Path) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    assert run(client, port, "thousand") == {"codes": [0], "rows": 1000}
    assert sorted(json.loads(row)["value"] for row in rows_of(fyke)) == list(range(1000))


def test_a_large_row(fyke: Platform, client: Path) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    assert run(client, port, "large")["code"] == 0
    assert [len(row) for row in rows_of(fyke)] == [6_000_011]


def test_an_unknown_method(fyke: Platform, client: Path) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    assert run(client, port, "unknown") == 12
