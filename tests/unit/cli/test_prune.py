"""``fyke prune``: shows, and removes only with ``--yes``."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from fyke.app.node_folder import write_node
from fyke.cli.errors import CommandFailed, Exit
from support.commands import command
from support.node_folders import a_node


@pytest.fixture(autouse=True)
def no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.app.prune.abandoned_groups", list)


@pytest.fixture
def unused(home: Path) -> Path:
    """A bundle of no version."""
    path = home / "blobs" / "bundles" / ("ab" * 32)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 5000)
    os.utime(path, (1, 1))
    return path


def test_without_yes_nothing_is_removed(home: Path, unused: Path) -> None:
    code, out, _ = command("prune", "--home", home)
    assert code == 0
    title, line = out.splitlines()
    assert title.split() == ["KIND", "PATH", "SIZE"]
    assert line.split() == ["bundle", f"blobs/bundles/{'ab' * 32}", "5.0", "kB"]
    assert unused.exists()
    code, out, _ = command("prune", "--home", home, "--json")
    report = json.loads(out)
    item = {"kind": "bundle", "path": str(unused), "bytes": 5000, "removed": False}
    assert report == {"items": [item], "bytes": 5000, "removed_bytes": 0, "kept": ""}
    assert unused.exists()


def test_yes_removes_what_was_found(home: Path, unused: Path) -> None:
    code, out, _ = command("prune", "--home", home, "--yes", "--json")
    report = json.loads(out)
    assert (code, report["removed_bytes"]) == (0, 5000)
    assert report["items"][0]["removed"] is True
    assert not unused.exists()
    code, out, _ = command("prune", "--home", home, "--yes", "--json")
    assert (code, json.loads(out)["items"]) == (0, [])
    code, out, _ = command("prune", "--home", home, "--yes")
    assert (code, out) == (0, "")


def test_the_folder_of_a_node_needs_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    write_node(tmp_path, a_node(("gateway.example:8110",)))
    bundle = tmp_path / "cache" / "bundles" / ("ab" * 32)
    bundle.mkdir(parents=True)
    (bundle / "main.py").write_text("x" * 5000)
    os.utime(bundle, (1, 1))
    code, out, _ = command("prune", "--home", tmp_path)
    assert code == 0
    assert out.splitlines()[1].split()[:3] == ["unpacked", "bundle", f"cache/bundles/{'ab' * 32}"]
    assert bundle.exists()
    code, out, _ = command("prune", "--home", tmp_path, "--yes", "--json")
    assert (code, json.loads(out)["items"][0]["removed"]) == (0, True)
    assert not bundle.exists()
    assert not (tmp_path / "state.db").exists()


def test_an_empty_folder_is_not_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    _, _, error = command("prune", "--home", tmp_path)
    assert isinstance(error, CommandFailed) and error.code is Exit.NOT_FOUND
    assert list(tmp_path.iterdir()) == []


def test_tables_of_another_release_are_refused(home: Path, unused: Path) -> None:
    connection = sqlite3.connect(home / "state.db")
    with connection:
        connection.execute("UPDATE state_version SET version_num = 's9999'")
    connection.close()
    _, _, error = command("prune", "--home", home, "--yes")
    assert isinstance(error, CommandFailed) and error.code is Exit.CONFLICT
    assert unused.exists()
