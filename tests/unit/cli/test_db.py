"""Output and errors of ``fyke db``; the backups are in ``test_backup``."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli.db import _existing_settings, _new_file
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.main import app
from support.prepared import rows_in, state_in


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of an ordinary user with an intact database."""
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    folder = tmp_path / "home"
    folder.mkdir()
    state_in(folder)
    rows_in(folder)
    return folder


def command(*arguments: object) -> tuple[int, str, Any]:
    """Exit status, standard output and error of a command."""
    before = os.umask(0o022)
    answer = CliRunner().invoke(app, ["db", *map(str, arguments)])
    os.umask(before)
    return answer.exit_code, answer.stdout, answer.exception


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "x.tgz"
    (tmp_path / ".x.tgz.part").write_text("of one that was killed")
    with _new_file(file) as target:
        target.write(b"content")
        assert not file.exists()
    assert file.read_bytes() == b"content"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_copy_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), _new_file(tmp_path / "x.tgz") as target:
        target.write(b"half")
        raise OSError("full")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_text("yesterday")
    with (
        pytest.raises(CommandFailed, match="exists already") as caught,
        _new_file(tmp_path / "x.tgz"),
    ):
        pytest.fail("it was opened")
    assert caught.value.code is Exit.CONFLICT
    assert (tmp_path / "x.tgz").read_text() == "yesterday"


def test_an_intact_database_has_no_findings(home: Path) -> None:
    code, out, _ = command("check", "--home", home, "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "findings": []})


def test_a_damaged_database_is_exit_status_1(home: Path) -> None:
    (home / "rows.db").unlink()
    code, out, _ = command("check", "--home", home, "--json")
    report = json.loads(out)
    assert (code, report["ok"]) == (1, False)
    assert report["findings"] == ["rows.db is damaged: the file is missing"]
    code, out, _ = command("check", "--home", home)
    assert (code, out) == (1, "rows.db is damaged: the file is missing\n")


def test_migrating_reports_both_revisions(home: Path) -> None:
    code, out, _ = command("migrate", "--home", home, "--json")
    assert code == 0
    assert {name: text[0] for name, text in json.loads(out).items()} == {"state": "s", "rows": "r"}


def test_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="There is no data folder") as caught:
        _existing_settings(str(tmp_path / "none"))
    assert caught.value.code is Exit.NOT_FOUND
    assert not (tmp_path / "none").exists()


def test_a_folder_of_another_user_is_refused_unless_the_database_is_postgresql(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandFailed, match="belongs to another user") as caught:
        _existing_settings(str(home))
    assert caught.value.code is Exit.AUTH
    monkeypatch.setenv("FYKE_DATABASE_URL", "postgresql://x/y")
    assert _existing_settings(str(home)).home == home
    monkeypatch.delenv("FYKE_DATABASE_URL")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert _existing_settings(str(home)).home == home


def test_a_backup_is_not_restored_to_a_folder_with_files(home: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(b"")
    _, _, error = command("restore", tmp_path / "x.tgz", "--home", home)
    assert "is not empty; name an empty folder" in str(error)
    assert sqlite3.connect(home / "state.db").execute("PRAGMA integrity_check").fetchone() == (
        "ok",
    )
    file = tmp_path / "file"
    file.touch()
    _, _, error = command("restore", tmp_path / "x.tgz", "--home", file)
    assert "is not empty" in str(error)


def test_the_commands_back_up_and_restore(home: Path, tmp_path: Path) -> None:
    (home / "secret.key").write_text("ab" * 32)
    code, out, _ = command("backup", tmp_path / "x.tgz", "--home", home, "--json")
    report = json.loads(out)
    assert (code, report["database"]) == (0, "sqlite")
    assert report["bytes"] == (tmp_path / "x.tgz").stat().st_size
    code, out, _ = command("restore", tmp_path / "x.tgz", "--home", tmp_path / "new", "--json")
    assert (code, json.loads(out)["files"]) == (0, report["files"])
    assert (tmp_path / "new" / "secret.key").read_text() == "ab" * 32
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o711
