"""What is collected for a maintainer."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from fyke.app import diagnostics
from fyke.errors import Unavailable
from fyke.settings import Settings
from fyke.storage.sql.state.schema import SCHEMA
from support.prepared import leased_in, rows_in


def test_the_state_is_read_as_numbers_without_text_of_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    leased_in(tmp_path)
    rows_in(tmp_path)
    facts = diagnostics.installation_facts(Settings(home=tmp_path))
    assert facts.runs["by_state"] == {"ready": 1}
    assert facts.runs["ended_by_reason"] == []
    assert 'fyke_attempts{pool="default",state="preparing"} 2' in facts.metrics
    assert facts.machines["own"] == []
    json.dumps([facts.runs, facts.machines])


def test_tables_of_another_release_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    leased_in(tmp_path)
    rows_in(tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute(f"UPDATE {SCHEMA.version_table} SET version_num = 's9999'")
    with pytest.raises(Unavailable, match="cannot be read"):
        diagnostics.installation_facts(Settings(home=tmp_path))


def test_the_machine_and_the_folder_are_described(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "one").write_bytes(b"12345")
    (tmp_path / "node").write_bytes(b"12")
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert diagnostics.folder_sizes(tmp_path) == {"blobs": 5, "node": 2}
    facts = diagnostics.machine_facts(tmp_path / "missing")
    assert facts["disk"]["folder"] == str(tmp_path)
    assert "MemTotal" in facts["memory"]
    assert diagnostics.program_versions()["packages"]["msgspec"]
