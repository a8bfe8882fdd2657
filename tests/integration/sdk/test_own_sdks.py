"""Our own SDK files in all three languages, used like in a Worker, with the real service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.workers import go_build
from fyke.model.log import LogType
from fyke.model.progress import WorkerProgress
from fyke.sdk.status import Unimplemented
from support.sdk_server import Platform, rows_of

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent / "own"
pytestmark = pytest.mark.needs("{worker}")
LANGUAGES = ["python", "node", "go"]


@pytest.fixture(scope="module", params=LANGUAGES)
def worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command that starts a Worker of that language, before address and scenario."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(ROOT / "sdk" / request.param, folder, dirs_exist_ok=True)
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    if request.param == "python":
        return [sys.executable, str(folder / "worker.py")]
    if request.param == "node":
        return ["node", str(folder / "worker.js")]
    command, variables = go_build.command("worker")
    env = {**os.environ, **variables}
    completed = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=110
    )
    assert completed.returncode == 0, completed.stderr
    return [str(folder / "worker")]


def run(worker: list[str], port: int, scenario: str) -> Any:
    """Return the output of the scenario; a proxy in the environment must have no effect."""
    completed = subprocess.run(
        [*worker, f"127.0.0.1:{port}", scenario],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


def test_every_function_of_the_sdk_works(fyke: Platform, worker: list[str]) -> None:
    text = '{"n": 1.50, "s": "é"}'
    port, attempt = fyke.thread.run(fyke.attempt(input_json=text.encode()))
    assert run(worker, port, "everything") == {"input": {"n": 1.5, "s": "é"}, "text": text}
    fyke.thread.run(attempt.flush())
    assert [json.loads(row) for row in rows_of(fyke)] == [
        {"name": "\U0001f600", "url": "a&b<c"},
        {"twice": 1},
        {"half": "\ufffd"},
        {"id": 7, "v": 1},
    ]
    batches = [batch for batches in fyke.results.batches for batch in batches]
    (headers,) = [batch.headers for batch in batches if batch.headers]
    assert [(header.label, header.key, header.format) for header in headers] == [
        ("Name", "name", "text"),
        ("", "x", ""),
    ]
    (upsert,) = [row for batch in batches for row in batch.rows if row.upsert_key]
    assert (upsert.upsert_key, upsert.upsert_value) == ("id", "7")
    entries = [
        (LogType(entry.type).name, entry.content) for batch in batches for entry in batch.log
    ]
    assert [item for item in entries if len(item[1]) == 1] == [
        ("DEBUG", "d"),
        ("INFO", "5"),
        ("WARN", "w"),
        ("ERROR", "e"),
    ]


def test_refusals_have_the_reason(fyke: Platform, worker: list[str]) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    empty, absent, row, message, after = run(worker, port, "refusals")
    key = empty.removesuffix(" is required")
    assert key in ("unique_key", "uniqueKey")
    assert absent == f"{key} [b] not found in data"
    assert "8 MiB" in row
    assert "16 MiB" in message
    assert after == "nothing"
    assert rows_of(fyke) == [b'{"after":"these"}']


def test_the_last_progress_counts_and_wrong_numbers_are_refused(
    fyke: Platform, worker: list[str]
) -> None:
    port, attempt = fyke.thread.run(fyke.attempt())
    said = run(worker, port, "progress")
    assert (said[0], said[3]) == ("nothing", "nothing")
    for text in said[1:3]:
        assert "done" in text and "from 0 to" in text
    assert attempt.progress == WorkerProgress(3)


def test_a_platform_without_progress_fails_no_worker(fyke: Platform, worker: list[str]) -> None:
    async def handle(path: str, message: bytes) -> bytes:
        raise Unimplemented(f"There is no method {path}.")

    port = fyke.thread.run(fyke.serve(handle))
    said = run(worker, port, "progress")
    assert (said[0], said[3]) == ("nothing", "nothing")


def test_three_thousand_concurrent_rows_are_stored(fyke: Platform, worker: list[str]) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    assert run(worker, port, "many") == "done"
    assert sorted(json.loads(row)["i"] for row in rows_of(fyke)) == list(range(3000))


def test_large_messages_work_in_both_directions(fyke: Platform, worker: list[str]) -> None:
    text = json.dumps({"a": "x" * 3_000_000})
    port, _ = fyke.thread.run(fyke.attempt(input_json=text.encode()))
    assert run(worker, port, "large") == len(text)
    assert [len(row) for row in rows_of(fyke)] == [6_000_011]


def test_an_empty_input_is_an_empty_object(fyke: Platform, worker: list[str]) -> None:
    port, _ = fyke.thread.run(fyke.attempt(input_json=b""))
    assert run(worker, port, "everything") == {"input": {}, "text": "{}"}


def test_without_a_platform_the_error_explains_that(worker: list[str]) -> None:
    command = [*worker, "127.0.0.1:1", "everything"]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert completed.returncode != 0
    assert "no answer from the platform" in completed.stderr
