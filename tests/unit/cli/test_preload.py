"""Roles are forked from one process, and are children of the supervisor all the same."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from typing import Any

import pytest

from support.preload import ENVIRONMENT, PROGRAM, seen

pytestmark = pytest.mark.slow
LOOKS = """
import json, os
from fyke.cli.preload import preload
preload()
opened = sorted(os.listdir("/proc/self/fd"), key=int)[:-1]
print(json.dumps([opened, os.listdir("/proc/self/task")]))
"""


@pytest.fixture(scope="module")
def of_its_own() -> Any:
    return seen("of_its_own")


def test_a_forked_process_is_a_child_of_the_supervisor_in_a_session_of_its_own(
    of_its_own: Any,
) -> None:
    for report, pid in zip(of_its_own["reports"], of_its_own["pids"], strict=True):
        assert report["parent"] == of_its_own["supervisor"]
        assert report["pid"] == report["session"] == pid


def test_the_supervisor_sees_how_it_ended(of_its_own: Any) -> None:
    assert of_its_own["statuses"] == [7, -9]


def test_it_has_its_own_descriptors_and_no_others(of_its_own: Any) -> None:
    assert [len(report["open"]) for report in of_its_own["reports"]] == [3, 4]
    assert [report["open"][:3] for report in of_its_own["reports"]] == [[0, 1, 2]] * 2


def test_it_is_named_by_its_role(of_its_own: Any) -> None:
    [_, report] = of_its_own["reports"]
    assert report["command"] == ["fyke", "serve", "--role", "waits"]
    assert report["name"] == "fyke-waits"


def test_no_two_share_their_random_numbers(of_its_own: Any) -> None:
    [one, two] = of_its_own["reports"]
    assert not set(one["random"]) & set(two["random"])


def test_the_order_arrives_as_it_was_given(of_its_own: Any) -> None:
    [one, two] = of_its_own["reports"]
    assert (one["task"], one["details"]) == ("exits", {"code": 7})
    assert (two["task"], two["details"]) == ("waits", {})


def test_nothing_outlives_the_supervisor() -> None:
    supervisor = subprocess.Popen(
        [*PROGRAM, "until_killed"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    watched = [os.pidfd_open(pid) for pid in json.loads(supervisor.stdout.readline())]
    supervisor.kill()
    supervisor.communicate()
    for descriptor in watched:
        assert select.select([descriptor], [], [], 30)[0], "it lives on"
        os.close(descriptor)


def test_what_is_imported_before_a_fork_opens_nothing_and_starts_no_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOKS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    opened, tasks = json.loads(done.stdout)
    assert opened == ["0", "1", "2"]
    assert len(tasks) == 1
