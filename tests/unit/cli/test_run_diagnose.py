"""The archive that ``fyke run diagnose`` writes."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.run_diagnose import diagnose
from support.scripted import ScriptedServer


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name in names:
            target.writestr(name, "")
    return file.getvalue()


ARCHIVE = archive("input.json", "log.txt", "last-page.jpg", "diagnosis.md")


def run(output: str = "", *, no_picture: bool = False, **more: Any) -> ScriptedServer:
    server: Any = ScriptedServer(**{"diagnosis": ARCHIVE, **more})
    diagnose(server, "R1", output, no_picture)
    return server  # type: ignore[no-any-return]


def test_the_archive_is_written_and_its_file_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = run()
    assert (tmp_path / "R1-diagnosis.zip").read_bytes() == ARCHIVE
    assert server.data == "R1-diagnosis.zip\n" and "may show secrets" in server.messages
    assert server.client.calls == [("diagnosis", "R1", {"picture": True})]
    other = str(tmp_path / "x.zip")
    assert json.loads(run(other, as_json=True).data) == {"file": other, "bytes": len(ARCHIVE)}


def test_a_file_that_exists_is_refused_and_a_new_one_private(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    run(str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandFailed, match="already exists") as failed:
        run(str(file), diagnosis=archive("run.json"))
    assert failed.value.code == Exit.CONFLICT and file.read_bytes() == ARCHIVE


def test_only_what_may_show_a_secret_is_warned_of(tmp_path: Path) -> None:
    both = run(str(tmp_path / "1.zip")).messages
    assert "look at input.json and log.txt" in both and "picture" in both
    plain = run(str(tmp_path / "2.zip"), diagnosis=archive("input.json", "log.txt")).messages
    assert "look at input.json and log.txt" in plain and "picture" not in plain
    unknown = run(str(tmp_path / "3.zip"), diagnosis=archive("run.json", "input.json")).messages
    assert "look at" not in unknown


def test_an_archive_that_ended_early_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    with pytest.raises(CommandFailed, match="ended early"):
        run(str(file), diagnosis=ARCHIVE[:-30])
    assert not file.exists()


def test_the_picture_can_be_left_out(tmp_path: Path) -> None:
    server = run(str(tmp_path / "x.zip"), no_picture=True, diagnosis=archive("log.txt"))
    assert server.client.calls == [("diagnosis", "R1", {"picture": False})]
    assert "picture" not in server.messages


def test_a_file_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no folder"):
        run(str(tmp_path / "none" / "x.zip"))
