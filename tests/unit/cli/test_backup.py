"""``fyke backup``: a complete file or none, and what its verification finds."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from fyke.cli.backup import _new_file
from fyke.cli.errors import CommandFailed, Exit
from support.commands import command
from support.flushes import noted_flushes


def test_a_file_appears_only_when_it_is_complete_and_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = noted_flushes(monkeypatch)
    file = tmp_path / "x.tgz"
    (tmp_path / ".x.tgz.part").write_text("of one that was killed")
    with _new_file(file) as target:
        target.write(b"content")
        assert not file.exists()
    assert file.read_bytes() == b"content"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert flushed == [str(tmp_path / ".x.tgz.part"), str(tmp_path)]


def test_a_copy_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), _new_file(tmp_path / "x.tgz") as target:
        target.write(b"half")
        raise OSError("full")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_text("yesterday")
    with (
        pytest.raises(CommandFailed, match="already exists") as caught,
        _new_file(tmp_path / "x.tgz"),
    ):
        pytest.fail("it was opened")
    assert caught.value.code is Exit.CONFLICT
    assert (tmp_path / "x.tgz").read_text() == "yesterday"


def test_a_missing_file_or_folder_is_named(home: Path, tmp_path: Path) -> None:
    _, _, error = command("backup", "verify", tmp_path / "nope")
    assert isinstance(error, CommandFailed) and error.code is Exit.NOT_FOUND
    assert str(error) == f"{tmp_path}/nope: there is no such file"
    _, _, error = command("backup", "create", tmp_path / "none" / "x.tgz", "--home", home)
    assert str(error).startswith(f"{tmp_path}/none is not a folder; create it")


def made(home: Path, file: Path) -> Path:
    code, out, _ = command("backup", "create", file, "--home", home, "--json")
    report = json.loads(out)
    assert (code, report["database"], report["bytes"]) == (0, "sqlite", file.stat().st_size)
    return file


def test_a_good_backup_has_no_findings(home: Path, tmp_path: Path) -> None:
    file = made(home, tmp_path / "x.tgz")
    code, out, _ = command("backup", "verify", file, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["findings"]) == (0, True, [])
    assert (report["files"], report["database"]) == (3, "sqlite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "x.tgz"]


def test_the_state_and_the_rows_of_a_backup_are_compared(home: Path, tmp_path: Path) -> None:
    """As in a backup of 0.1.0, which copied the rows after the state."""
    connection = sqlite3.connect(home / "rows.db")
    with connection:
        insert = "INSERT INTO results_runs (run_id, rows, log_entries) VALUES ('x', 2, 0)"
        connection.execute(insert)
    connection.close()
    file = made(home, tmp_path / "x.tgz")
    code, out, _ = command("backup", "verify", file)
    assert code == 1
    assert "there are 2 rows of run x, which does not exist; they are not shown" in out


def test_a_damaged_backup_is_exit_status_1(home: Path, tmp_path: Path) -> None:
    file = made(home, tmp_path / "x.tgz")
    file.write_bytes(file.read_bytes()[:-200])
    _, out, error = command("backup", "verify", file)
    assert isinstance(error, CommandFailed) and error.code is Exit.FAILED
    assert str(error).startswith("The backup cannot be used: ")
    assert out == ""


def test_the_files_of_a_backup_with_postgresql_are_verified(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_DATABASE_URL", "postgresql://x/y")
    (home / "blobs" / "bundles").mkdir(parents=True)
    (home / "blobs" / "bundles" / ("ab" * 32)).write_bytes(b"not these bytes")
    command("backup", "create", tmp_path / "x.tgz", "--home", home, "--json")
    code, out, _ = command("backup", "verify", tmp_path / "x.tgz", "--json")
    [finding] = json.loads(out)["findings"]
    assert code == 1
    assert finding.startswith(f"the bundle {'ab' * 32} was changed")


def test_a_missing_folder_of_the_new_file_is_wrong_usage(home: Path, tmp_path: Path) -> None:
    _, _, error = command("backup", "create", tmp_path / "none" / "x.tgz", "--home", home)
    assert isinstance(error, CommandFailed) and error.code is Exit.USAGE


def test_a_folder_of_another_user_is_wrong_usage(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    _, _, error = command("backup", "create", tmp_path / "x.tgz", "--home", home)
    assert isinstance(error, CommandFailed) and error.code is Exit.USAGE
    assert "may not be written by this user" in str(error)
