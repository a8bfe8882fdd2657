"""The commands that find a ``secret.key`` that is missing or of another installation."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from fyke.app.folder import secret_fingerprint
from fyke.app.state import FINGERPRINT
from fyke.settings import Settings
from support.commands import command

MISSING, OTHER = "secret.key is missing. ", "secret.key is not that of this database. "


@pytest.fixture
def home(home: Path) -> Path:
    """A data folder with the fingerprint of its secret in the database, as after a start."""
    fingerprint = secret_fingerprint(Settings(home=home))
    with contextlib.closing(sqlite3.connect(home / "state.db")) as state, state:
        state.execute("INSERT INTO installation VALUES (?, ?)", (FINGERPRINT, fingerprint))
    return home


@pytest.mark.parametrize(
    "secret, sentence",
    [("ab" * 32, None), (None, MISSING), ("cd" * 32, OTHER), ("not hexadecimal", OTHER)],
)
def test_it_is_found_in_a_folder_and_in_each_step_of_a_backup(
    home: Path, tmp_path: Path, secret: str | None, sentence: str | None
) -> None:
    (home / "secret.key").unlink()
    if secret is not None:
        (home / "secret.key").write_text(secret)
    file, restored = tmp_path / "x.tgz", tmp_path / "restored"
    for arguments in (
        ("db", "check", "--home", home),
        ("backup", "create", file, "--home", home),
        ("backup", "verify", file),
        ("restore", file, "--home", restored),
        ("db", "check", "--home", restored),
    ):
        code, out, _ = command(*arguments, "--json")
        findings = json.loads(out)["findings"]
        assert (code, len(findings)) == ((1, 1) if sentence else (0, 0)), arguments
        if sentence:
            assert findings[0].startswith(sentence) and "fyke db accept-secret" in findings[0]
    assert (restored / "state.db").exists()


def test_the_files_of_a_backup_with_postgresql_need_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_DATABASE_URL", "postgresql://x/y")
    (home / "secret.key").unlink()
    file = tmp_path / "x.tgz"
    for arguments in (
        ("backup", "create", file, "--home", home),
        ("backup", "verify", file),
        ("restore", file, "--home", tmp_path / "restored"),
    ):
        code, out, _ = command(*arguments, "--json")
        finding, *others = json.loads(out)["findings"]
        assert (code, finding.startswith(MISSING)) == (1, True), arguments
        assert len(others) == (arguments[1] == "create")  # which asks the database, too
        assert all(other.startswith("The place of the blobs cannot be read") for other in others)
