"""The archive that ``fyke run diagnose`` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed
from fyke.cli.run_diagnose import diagnose
from support.scripted import ScriptedServer

ARCHIVE = b"PK archive"


def run(output: str = "", *, no_picture: bool = False, **more: Any) -> ScriptedServer:
    server: Any = ScriptedServer(diagnosis=ARCHIVE, **more)
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


def test_the_picture_can_be_left_out(tmp_path: Path) -> None:
    server = run(str(tmp_path / "x.zip"), no_picture=True)
    assert server.client.calls == [("diagnosis", "R1", {"picture": False})]
    assert "secrets" not in server.messages


def test_a_file_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no folder"):
        run(str(tmp_path / "none" / "x.zip"))
