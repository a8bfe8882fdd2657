"""The log of the supervisor, in a process of its own because it configures libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from fyke.cli.supervisor_log import SupervisorLog
log = SupervisorLog("info", int(sys.argv[1]))
log.error("role_ended", role="runner", code=-9)
log.error("launcher_ended", code=-11, reason="it exited with status -11")
"""


@pytest.mark.parametrize("separate", [True, False])
def test_each_line_is_on_standard_error_and_once_in_the_log(tmp_path: Path, separate: bool) -> None:
    path, terminal = tmp_path / "fyke.log", tmp_path / "terminal"
    with path.open("ab") as log, terminal.open("ab") as stderr:
        command = [sys.executable, "-c", PROGRAM, str(log.fileno())]
        subprocess.run(
            command, stderr=stderr if separate else log, pass_fds=[log.fileno()], check=True
        )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["event"], line["code"]) for line in lines] == [
        ("role_ended", -9),
        ("launcher_ended", -11),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert terminal.read_text() == (path.read_text() if separate else "")
