"""Checks and archives, without a server."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.findings import verdict
from fyke.cli.main import app
from fyke.cli.worker import _require_kept, read_archive
from fyke.cli.worker_new import write_project
from fyke.model.worker import Finding, Severity
from fyke_client import ApiError
from support.scripted import ScriptedServer


def test_check_prints_findings_and_exits_with_1(tmp_path: Path) -> None:
    write_project(tmp_path / "w", "python")
    (tmp_path / "w" / "main.py").write_text("def broken(:\n")
    answer = CliRunner().invoke(app, ["worker", "check", str(tmp_path / "w")])
    assert answer.exit_code == 1
    assert "main.py:1: error: syntax error" in answer.stdout
    assert "[python_syntax]" in answer.stdout
    assert "it cannot be published" in answer.stderr
    answer = CliRunner().invoke(app, ["worker", "check", str(tmp_path / "w"), "--json"])
    assert answer.exit_code == 1
    [finding] = json.loads(answer.stdout)
    assert (finding["file"], finding["line"], finding["severity"]) == ("main.py", 1, "error")


def test_the_verdict_counts_errors_and_warnings() -> None:
    def verdict_of(*severities: Severity) -> str:
        return verdict([Finding(severity, "code", "", 0, "", "") for severity in severities])

    assert verdict_of() == verdict_of("info") == "No problems found."
    assert verdict_of("warning", "info") == "1 warning."
    text = "2 errors and 1 warning; it cannot be published."
    assert verdict_of("error", "warning", "error") == text


def test_an_archive_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "w.zip").write_bytes(b"PK")
    assert read_archive(tmp_path / "w.zip") == (b"PK", "")
    with pytest.raises(CommandFailed) as caught:
        read_archive(tmp_path / "nowhere")
    assert caught.value.code is Exit.NOT_FOUND


@pytest.mark.parametrize(("status", "fails"), [(404, True), (409, False)])
def test_a_server_that_ignores_keep_current_is_reported(status: int, fails: bool) -> None:
    server: Any = ScriptedServer(preview_promotion=ApiError(status, 4040, "Not found"))
    published: Any = SimpleNamespace(slug="W", path="owner/hello", version="v1.0.2")
    expected: Any = pytest.raises(CommandFailed, match="ignores --keep-current")
    with expected if fails else nullcontext():
        _require_kept(server, published)
    assert server.client.calls == [("preview_promotion", "W", "v1.0.2")]


@pytest.mark.parametrize(("folder", "reported"), [("Bad Name", True), ("good-name", False)])
def test_a_name_that_differs_from_the_folder_is_reported(
    tmp_path: Path, folder: str, reported: bool
) -> None:
    result = CliRunner().invoke(app, ["worker", "new", str(tmp_path / folder)])
    assert result.exit_code == 0
    assert ("The name of the Worker is bad-name" in result.stderr) is reported
