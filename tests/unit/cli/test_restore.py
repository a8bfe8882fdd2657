"""``fyke restore``: completely or not at all, and never over an installation."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
from pathlib import Path

import pytest

from fyke.cli.errors import CommandFailed, Exit
from support.commands import command
from support.flushes import noted_flushes
from support.prepared import leased_in
from support.sealed import sealed_run_in


@pytest.fixture
def file(home: Path, tmp_path: Path) -> Path:
    """A backup of ``home``."""
    code, _, _ = command("backup", "create", tmp_path / "x.tgz", "--home", home, "--json")
    assert code == 0
    return tmp_path / "x.tgz"


def content(folder: Path) -> set[str]:
    """The files, without the lock of a backup that was made in this test."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return files - {"scratch/backup.lock"}


def test_a_backup_is_restored_to_a_new_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = noted_flushes(monkeypatch)
    new = tmp_path / "new"
    code, out, _ = command("restore", file, "--home", new, "--json")
    report = {"home": str(new), "files": 3, "database": "sqlite"}
    report |= {"blobs": "", "replaced": None, "removed_rows": 0, "findings": []}
    assert (code, json.loads(out)) == (0, report)
    assert content(new) == {"state.db", "rows.db", "secret.key"}
    assert (new / "secret.key").read_text() == "ab" * 32
    assert new.stat().st_mode & 0o777 == 0o711
    unpacked = [str(new / ".restoring" / name) for name in ("state.db", "rows.db", "secret.key")]
    assert set(unpacked) <= set(flushed)
    assert flushed[-3:] == [str(new / ".restoring"), str(new), str(tmp_path)]


def test_rows_in_files_are_restored_and_a_missing_one_is_reported(
    home: Path, tmp_path: Path
) -> None:
    [(run, attempt), _] = leased_in(home)
    blob = asyncio.run(sealed_run_in(home, run, attempt))
    for name, status in (("whole", 0), ("lacking", 1)):
        file, new = tmp_path / f"{name}.tgz", tmp_path / name
        assert command("backup", "create", file, "--home", home, "--json")[0] == status
        assert command("backup", "verify", file, "--json")[0] == status
        code, out, _ = command("restore", file, "--home", new, "--json")
        findings = json.loads(out)["findings"]
        assert (code, len(findings), (new / "blobs" / blob).exists()) == (status, status, not code)
        (home / "blobs" / blob).unlink(missing_ok=True)
    assert findings[0].startswith(f"the file {blob} with 10 rows of run {run} cannot be read")


def test_a_folder_with_files_is_refused(home: Path, file: Path, tmp_path: Path) -> None:
    before = content(home)
    _, _, error = command("restore", file, "--home", home)
    assert "is not empty" in str(error) and "--replace" in str(error)
    assert isinstance(error, CommandFailed) and error.code is Exit.CONFLICT
    assert content(home) == before
    _, _, error = command("restore", file, "--home", file)
    assert "is not a folder" in str(error)


def test_replace_moves_the_folder_aside_and_deletes_nothing(home: Path, file: Path) -> None:
    (home / "secret.key").write_text("another key")
    (home / "notes").write_text("mine")
    code, out, _ = command("restore", file, "--home", home, "--replace", "--json")
    aside = Path(json.loads(out)["replaced"])
    assert code == 0
    assert aside.parent == home.parent and aside.name.startswith("home.replaced-")
    assert content(aside) == {"state.db", "rows.db", "secret.key", "notes"}
    assert (aside / "secret.key").read_text() == "another key"
    assert content(home) == {"state.db", "rows.db", "secret.key"}
    assert (home / "secret.key").read_text() == "ab" * 32
    assert not list(home.rglob(".restoring")) and not list(aside.rglob(".restoring"))


def test_a_running_installation_is_not_replaced(home: Path, file: Path) -> None:
    (home / "run").mkdir()
    with (home / "run" / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, _, error = command("restore", file, "--home", home, "--replace")
    assert isinstance(error, CommandFailed) and error.code is Exit.CONFLICT
    assert "already running" in str(error)
    assert content(home) == {"state.db", "rows.db", "secret.key", "run/up.lock"}


@pytest.mark.parametrize("replace", [True, False])
def test_nothing_is_changed_by_a_damaged_backup(
    home: Path, file: Path, tmp_path: Path, replace: bool
) -> None:
    file.write_bytes(file.read_bytes()[:-200])
    target = home if replace else tmp_path / "new"
    before = content(home)
    options = ["--replace"] if replace else []
    _, _, error = command("restore", file, "--home", target, *options)
    assert str(error).startswith("The backup cannot be used, nothing was restored: ")
    assert content(home) == before
    assert replace or not target.exists()
    assert not list(tmp_path.glob("*.replaced-*"))


def test_a_folder_that_cannot_be_renamed_stays(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a mount point."""
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if path == home:
            raise OSError(16, "Device or resource busy")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    before = content(home)
    _, _, error = command("restore", file, "--home", home, "--replace")
    assert "Device or resource busy" in str(error) and "Nothing was changed" in str(error)
    assert content(home) == before


def test_rows_that_the_state_does_not_know_are_left_out(home: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(home / "rows.db")
    with connection:
        insert = "INSERT INTO results_runs (run_id, rows, log_entries) VALUES ('x', 2, 0)"
        connection.execute(insert)
    connection.close()
    command("backup", "create", tmp_path / "x.tgz", "--home", home)
    code, out, _ = command("restore", tmp_path / "x.tgz", "--home", tmp_path / "new", "--json")
    assert (code, json.loads(out)["removed_rows"]) == (0, 2)
    code, out, _ = command("db", "check", "--home", tmp_path / "new", "--json")
    assert json.loads(out)["findings"] == []
