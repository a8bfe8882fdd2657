"""The client of Node.js Workers (``@grpc/grpc-js``), which frames calls differently."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.sdk_server import Platform, rows_of


@pytest.fixture(scope="module")
def client(node_client: Path) -> Path:
    return node_client / "client.js"


def run(client: Path, port: int, scenario: str) -> Any:
    command = ["node", str(client), str(port), scenario]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


def test_all_calls_work(fyke: Platform, client: Path) -> None:
    big_input = json.dumps({"a": "x" * 3_000_000})
    port, attempt = fyke.thread.run(fyke.attempt(input_json=big_input.encode()))
    outcome = run(client, port, "every")
    success = {"code": 0, "text": "success"}
    assert outcome == {"input": len(big_input), "push": success, "log": success}
    fyke.thread.run(attempt.flush())
    assert rows_of(fyke) == ['{"a":"é😀"}'.encode()]
    assert fyke.results.lines == ["careful"]


def test_a_thousand_concurrent_calls_succeed(fyke: Platform, client: Path) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    assert run(client, port, "thousand") == {"codes": [0], "rows": 1000}
    assert sorted(json.loads(row)["value"] for row in rows_of(fyke)) == list(range(1000))


def test_a_large_row_is_stored(fyke: Platform, client: Path) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    assert run(client, port, "large")["code"] == 0
    assert [len(row) for row in rows_of(fyke)] == [6_000_011]


def test_an_unknown_method_is_unimplemented(fyke: Platform, client: Path) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    assert run(client, port, "unknown") == 12
