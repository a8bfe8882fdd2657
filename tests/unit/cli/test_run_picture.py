"""Files that ``fyke run picture`` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed
from fyke.cli.run_picture import picture
from support.scripted import ScriptedServer

JPEG = b"\xff\xd8\xff picture"


def run(output: str, **more: Any) -> ScriptedServer:
    server: Any = ScriptedServer(browser_picture=JPEG, **more)
    picture(server, "R1", output, 2)
    return server  # type: ignore[no-any-return]


def test_the_picture_is_written_and_its_file_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = run("")
    assert (tmp_path / "R1.jpg").read_bytes() == JPEG
    assert server.data == "R1.jpg\n" and "Secrets on the page are visible" in server.messages
    answer = json.loads(run(str(tmp_path / "x.jpg"), as_json=True).data)
    assert answer == {"file": str(tmp_path / "x.jpg"), "bytes": len(JPEG)}


def test_standard_output_gets_nothing_but_the_picture(capsysbinary: Any) -> None:
    server = run("-")
    assert capsysbinary.readouterr().out == JPEG
    assert server.data == server.messages == ""


def test_a_file_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no folder"):
        run(str(tmp_path / "none" / "x.jpg"))
