"""Replacing a program by another module in the same process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fyke

PROGRAM = str(Path(fyke.__file__).parents[1])  # it may not be installed

FIRST = """
import os
from fyke.cli.handover import exec_module
descriptor = os.open("kept", os.O_RDWR | os.O_CREAT)
os.open("closed", os.O_RDWR | os.O_CREAT)
known = {"pid": os.getpid(), "descriptor": descriptor, "text": "x" * 10_000}
exec_module("second", known, {**os.environ, "SAID": "yes"}, descriptor)
"""
SECOND = """
import json, os
from fyke.cli.handover import handover_data
known = handover_data()
opened = []
for name in os.listdir("/proc/self/fd"):
    try:
        opened.append(os.path.basename(os.readlink(f"/proc/self/fd/{name}")))
    except FileNotFoundError:
        pass
same = known["pid"] == os.getpid()
print(json.dumps([same, len(known["text"]), "kept" in opened, "closed" in opened]))
print(os.environ["SAID"])
"""


@pytest.mark.slow
def test_the_new_program_has_the_pid_the_data_and_the_descriptors(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "second.py").write_text(SECOND)
    (tmp_path / "second.py").write_text("raise SystemExit('from the working folder')")
    done = subprocess.run(
        [sys.executable, "-c", FIRST],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path / "modules"), PROGRAM))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, environment = done.stdout.splitlines()
    assert json.loads(found) == [True, 10_000, True, False]
    assert environment == "yes"


SIGNALLED = """
import os, signal
from fyke.cli import handover
known = {"pid": os.getpid()}
original = os.execve
def late(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)  # the moment before the other program is there
    original(*arguments)
os.execve = late
handover.exec_module("second", known, os.environ)
"""
HANDLES = """
import signal
from fyke.cli.handover import accept_signals
came = []
signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
assert not came
accept_signals()
print(came == [signal.SIGTERM])
"""


@pytest.mark.slow
def test_a_signal_in_between_waits_for_the_handlers_of_the_second_program(tmp_path: Path) -> None:
    (tmp_path / "second.py").write_text(HANDLES)
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), PROGRAM))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
