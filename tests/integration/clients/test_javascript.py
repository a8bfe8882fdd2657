"""The tests of the client for JavaScript, each file in Node.js against servers on loopback."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from fyke import __version__

CLIENT = Path(__file__).parents[3] / "clients" / "javascript"
FILES = sorted(CLIENT.glob("tests/*.test.js"))

pytestmark = [pytest.mark.needs("node"), pytest.mark.timeout(300)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.partition(".")[0])
def test_a_file_passes(file: Path) -> None:
    command = ["node", "--test", "--test-reporter=tap", file]
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None and int(passed[1]) > 1


def test_the_package_has_the_version_of_fyke() -> None:
    assert json.loads((CLIENT / "package.json").read_text())["version"] == __version__


def test_the_files_are_found() -> None:
    assert {file.name for file in FILES} >= {"connection.test.js", "events.test.js"}
