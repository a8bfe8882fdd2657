"""Reading and writing the kernel's files, on plain files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fyke.sandbox.isolation import cgroup_files as files


@pytest.mark.parametrize(
    ("cpus", "microseconds"),
    [(1, 100_000), (0.5, 50_000), (0.015, 1_500), (0.01, 1_000), (0.001, 1_000), (0, 1_000)],
)
def test_a_quota_is_never_below_what_the_kernel_accepts(cpus: float, microseconds: int) -> None:
    assert files.quota(cpus) == microseconds


def test_a_field_is_found_by_its_whole_name() -> None:
    text = "oom 7\noom_kill 3\noom_kill_group 1\n"
    assert files.field_value(text, "oom_kill") == 3
    assert files.field_value(text, "kill") == 0
    assert files.field_value("", "oom_kill") == 0


@pytest.mark.parametrize(("text", "value"), [("12\n", 12), ("max\n", 0), ("", 0), ("-1", 0)])
def test_max_and_an_empty_text_are_zero(text: str, value: int) -> None:
    assert files.parse_number(text) == value


def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert files.read_file(tmp_path / "none") == ""
    assert files.pids(tmp_path) == []
    assert files.subfolders(tmp_path / "none") == set()


def test_write_file_returns_whether_the_write_succeeded(tmp_path: Path) -> None:
    assert files.write_file(tmp_path / "limit", "9")
    assert files.read_file(tmp_path / "limit") == "9"
    assert not files.write_file(tmp_path, "9")


def test_only_folders_are_groups(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "cgroup.procs").touch()
    assert files.subfolders(tmp_path) == {"A"}


def test_killing_continues_after_a_process_that_has_ended() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as running:
        files.kill_each([2**22 + 1, running.pid])
        assert running.wait() == -9


def test_removing_distinguishes_missing_groups_from_busy_ones(tmp_path: Path) -> None:
    (tmp_path / "used" / "child").mkdir(parents=True)
    assert not files.remove(tmp_path / "used")
    assert files.remove(tmp_path / "used" / "child")
    assert files.remove(tmp_path / "used" / "child")
