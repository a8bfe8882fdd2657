"""Processes of an earlier supervisor."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.cli.role_record import RoleRecord
from support.processes import stop_and_wait


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as made:
        yield made
        made.kill()


def test_a_stopped_role_of_an_earlier_supervisor_is_killed(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "roles.json"
    RoleRecord(file).add("runner", process.pid)
    stop_and_wait(process)
    process.terminate()  # by the kernel, as its supervisor has died
    assert RoleRecord(file).end_earlier(600) == ["runner"]
    assert process.wait(30) == -signal.SIGKILL


def test_a_role_that_does_not_end_in_time_is_killed(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "roles.json"
    RoleRecord(file).add("server", process.pid)
    assert RoleRecord(file).end_earlier(0) == ["server"]
    assert process.wait(30) == -signal.SIGKILL


def test_a_role_that_ends_by_itself_is_awaited(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "roles.json"
    RoleRecord(file).add("server", process.pid)
    process.terminate()
    assert RoleRecord(file).end_earlier(600) == []
    assert process.wait(30) == -signal.SIGTERM


def test_another_process_with_the_same_pid_is_left_alone(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "roles.json"
    RoleRecord(file).add("egress", process.pid)
    [(name, (pid, start_time, *folder))] = json.loads(file.read_text()).items()
    file.write_text(json.dumps({name: (pid, start_time + 1, *folder)}))
    assert RoleRecord(file).end_earlier(0) == []
    assert process.poll() is None


def test_a_copied_record_ends_no_role_of_the_original(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    RoleRecord(original / "roles.json").add("runner", process.pid)
    shutil.copytree(original, copy)
    assert RoleRecord(copy / "roles.json").end_earlier(0) == []
    assert process.poll() is None
    renamed = original.rename(tmp_path / "renamed")
    assert RoleRecord(renamed / "roles.json").end_earlier(0) == ["runner"]


def test_a_record_of_an_older_release_is_its_own(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "roles.json"
    RoleRecord(file).add("server", process.pid)
    [(name, (pid, start_time, *_))] = json.loads(file.read_text()).items()
    file.write_text(json.dumps({name: (pid, start_time)}))
    assert RoleRecord(file).end_earlier(0) == ["server"]


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "7", '{"server": 1}'])
def test_a_first_start_and_a_broken_record_end_nothing(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "roles.json"
    if content is not None:
        file.write_text(content)
    assert RoleRecord(file).end_earlier(0) == []


def test_a_record_that_cannot_be_written_is_skipped(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    RoleRecord(tmp_path / "none" / "roles.json").add("runner", process.pid)
    process.kill()
    process.wait()
    RoleRecord(tmp_path / "roles.json").add("runner", process.pid)
    assert list(tmp_path.iterdir()) == []
