"""Processes that are forked from the preload process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fyke.app.folder import NODE_FILE
from support.preload import ENVIRONMENT, PROGRAM, run_scenario

pytestmark = pytest.mark.slow
PRELOAD = """
import json, os, sys
from fyke.cli.preload import preload
preload()
opened = sorted(os.listdir("/proc/self/fd"), key=int)[:-1]
rich = [name for name in sys.modules if name.partition(".")[0] == "rich"]
print(json.dumps([opened, os.listdir("/proc/self/task"), rich]))
"""


@pytest.fixture(scope="module")
def forked() -> Any:
    return run_scenario("forked")


def test_a_forked_process_is_a_child_of_the_supervisor_with_its_own_session(
    forked: Any,
) -> None:
    for report, pid in zip(forked["reports"], forked["pids"], strict=True):
        assert report["parent"] == forked["supervisor"]
        assert report["pid"] == report["session"] == pid


def test_the_supervisor_gets_the_exit_status(forked: Any) -> None:
    assert forked["statuses"] == [7, -9]


def test_a_forked_process_has_only_its_own_descriptors(forked: Any) -> None:
    assert [len(report["open"]) for report in forked["reports"]] == [3, 4]
    assert [report["open"][:3] for report in forked["reports"]] == [[0, 1, 2]] * 2


def test_a_forked_process_is_named_after_its_role(forked: Any) -> None:
    [_, report] = forked["reports"]
    assert report["command"] == ["fyke", "serve", "--role", "waits"]
    assert report["name"] == "fyke-waits"


def test_forked_processes_have_different_random_numbers(forked: Any) -> None:
    [one, two] = forked["reports"]
    assert not set(one["random"]) & set(two["random"])


def test_a_forked_process_gets_its_task_and_details(forked: Any) -> None:
    [one, two] = forked["reports"]
    assert (one["task"], one["details"]) == ("exits", {"code": 7})
    assert (two["task"], two["details"]) == ("waits", {})


def test_all_processes_end_with_the_supervisor() -> None:
    supervisor = subprocess.Popen(
        [*PROGRAM, "until_killed"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    watched = [os.pidfd_open(pid) for pid in json.loads(supervisor.stdout.readline())]
    supervisor.kill()
    supervisor.communicate()
    for descriptor in watched:
        assert select.select([descriptor], [], [], 30)[0], "it still runs"
        os.close(descriptor)


def test_preloading_opens_no_file_and_starts_no_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELOAD],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    opened, tasks, rich = json.loads(done.stdout)
    assert opened == ["0", "1", "2"]
    assert len(tasks) == 1
    assert rich == []  # 3 MiB that only the commands need


OF_A_NODE = """
import json, sys
from fyke.cli import preload
preload.preload()
print(json.dumps(sorted(sys.modules)))
"""
NOT_OF_A_NODE = {
    "argparse",
    "cryptography",
    "fyke.browser.gateway",
    "fyke.cli.settings",
    "fyke.contracts.state",
    "fyke.settings",
    "pydantic",
    "sqlalchemy",
    "typer",
}


def test_the_preload_process_of_a_node_imports_what_a_node_uses_while_it_is_idle(
    tmp_path: Path,
) -> None:
    (tmp_path / NODE_FILE).write_text("{}")
    done = subprocess.run(
        [sys.executable, "-c", OF_A_NODE],
        env={**os.environ, "FYKE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    modules = set(json.loads(done.stdout))
    assert {"fyke.app.node", "fyke.app.egress", "fyke.telemetry.logging"} <= modules
    assert modules & NOT_OF_A_NODE == set()


FIRST = """
import json, os, socket
from fyke.cli import preload
from fyke.cli.handover import STOPPING
from fyke.cli.preload_client import fork_first_preload
import signal

def report(control, supervisor):
    opened = {name: os.readlink(f"/proc/self/fd/{name}") for name in ("0", "3")}
    with socket.socket(fileno=control) as answers:
        answers.send(json.dumps({
            "open": sorted(os.listdir("/proc/self/fd"))[:-1],
            "stdin": opened["0"],
            "control": pairs[0][0].fileno(),  # of an object that would close this number at the end
            "own_session": os.getsid(0) == os.getpid(),
            "parent": os.getppid() == supervisor,
            "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            "command": open("/proc/self/cmdline").read().rstrip(chr(0)).split(chr(0)),
        }).encode())

preload._preload_and_serve = report
signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # as after exec_module
os.set_inheritable(os.open("/", os.O_RDONLY), True)
pairs, socketpair = [], socket.socketpair
socket.socketpair = lambda *arguments: pairs.append(socketpair(*arguments)) or pairs[0]
first = fork_first_preload()
first.control.setblocking(True)
print(first.control.recv(4096).decode())
assert os.waitpid(first.pid, 0)[1] == 0
"""


def test_the_first_preload_process_gets_nothing_of_the_supervisor_but_its_modules() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == {
        "open": ["0", "1", "2", "3"],
        "stdin": "/dev/null",
        "control": -1,
        "own_session": True,
        "parent": True,
        "blocked": 0,
        "command": ["fyke", "-m", "fyke.cli.preload"],
    }
