"""Where the last part of the log is found."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fyke.cli import doctor_log
from fyke.cli.doctor_log import last_logs
from fyke.cli.role_record import RoleRecord
from fyke.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "home" / "run").mkdir(parents=True)
    return Settings(home=tmp_path / "home")


def test_without_a_file_or_a_journal_there_is_none(settings: Settings) -> None:
    assert last_logs(settings, is_node=False) == []


def test_of_a_large_file_only_the_last_whole_lines_are_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_log, "MAX_BYTES", 12)
    (settings.home / "fyke.log").write_text("first line\nsecond\nthird\n")
    [log] = last_logs(settings, is_node=False)
    assert (log.name, log.text) == ("fyke.log", "third\n")


def test_the_file_that_is_the_standard_error_of_a_role_is_read(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "other.log"
    with path.open("wb") as file:
        process = subprocess.Popen(["/bin/sleep", "600"], stderr=file)
    try:
        record = RoleRecord(settings.run_dir / "roles.json")
        record.add("server", process.pid)
        record.add("runner", process.pid)
        path.write_text("a line\n")
        [log] = last_logs(settings, is_node=False)
        assert log.text == "a line\n"
        assert str(path) in log.source
    finally:
        process.kill()
        process.wait(30)
    assert last_logs(settings, is_node=False) == []  # the process has ended


@pytest.mark.parametrize(
    ("is_node", "unit"), [(False, "fyke.service"), (True, "fyke-node.service")]
)
def test_the_journal_of_the_unit_is_read(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_node: bool, unit: str
) -> None:
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    assert last_logs(settings, is_node=is_node) == []  # the unit may be of another data folder
    monkeypatch.setattr("fyke.settings.SYSTEM_HOME", settings.home)
    [log] = last_logs(settings, is_node=is_node)
    assert f"--lines=5000 --unit={unit}" in log.text
    assert unit in log.source
