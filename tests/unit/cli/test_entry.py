"""What is right before the command line is imported: signals and standard descriptors."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# The import of the command line takes until the test has seen it begin.
SLOW_IMPORT = """
import sys, time
from fyke.cli.entry import main

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "fyke.cli.main":
            print("importing", flush=True)
            time.sleep(60)

sys.meta_path.insert(0, Slow())
main()
"""

CLOSED = """
import os, sys
from fyke.cli import entry
entry._open_standard_descriptors()
assert all(stream is not None for stream in (sys.stdout, sys.stderr))
assert os.open("/", os.O_RDONLY) > 2
print("nowhere", file=sys.stderr)
os._exit(7)
"""

COLLECTIONS = """
import gc, sys
from fyke.cli.entry import main

seen = []
gc.callbacks.append(lambda phase, info: seen.append(phase))
sys.argv = ["fyke", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(len(seen), file=sys.stderr)
"""


def test_an_interrupt_during_the_imports_ends_without_a_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_IMPORT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (-signal.SIGINT, "")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_files_never_get_the_number_of_a_closed_standard_descriptor(closed: str) -> None:
    script = f'exec "$0" -c "$1" {closed}'
    done = subprocess.run(["sh", "-c", script, sys.executable, CLOSED], check=False)
    assert done.returncode == 7


@pytest.mark.parametrize("arguments", [["--help"], ["run", "list", "--help"]])
def test_a_short_command_collects_no_garbage(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTIONS, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr == "0\n"


SERVE = """
import gc, os, runpy, sys
usual, change, changes = gc.get_threshold(), gc.set_threshold, []

def record(*values):
    change(*values)
    changes.append(values)
    if len(changes) == 2:
        print(values == usual, flush=True)
        os._exit(0)

gc.set_threshold = record
os.geteuid = lambda: 1000
sys.argv = ["fyke", "serve", "--role", "runner"]
runpy.run_module("fyke.cli.entry", run_name="__main__")
"""


def test_a_role_collects_garbage_as_usual() -> None:
    done = subprocess.run([sys.executable, "-c", SERVE], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
