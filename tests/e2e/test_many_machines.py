"""An installation and three nodes, each in a network of its own, with blobs in S3."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine_network import Way, machine_network, no_networks
from support.many_machines import Machine, ManyMachines, many_machines_in_s3
from support.processes import is_alive
from support.projects import python_project

pytestmark = [pytest.mark.needs("postgres", "ip"), pytest.mark.slow, pytest.mark.timeout(300)]

SUCCEEDED, FAILED = 3, 4
ROWS = 200
PARTS = 12
COUNTS = f"""
import time
from sdk import CoreSDK

for number in range({ROWS}):
    CoreSDK.Result.push_data({{"n": number}})
    time.sleep(0.1)
"""
LEAVES_A_NETWORK = """
import subprocess, sys
from support.machine_network import machine_network

with machine_network() as network:
    inside = network.connect().inside
    left = subprocess.Popen([*inside, "sleep", "infinity"])
    print(network.bridge, left.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def machines() -> Iterator[ManyMachines]:
    with many_machines_in_s3() as platform:
        yield platform


@pytest.fixture(scope="module")
def worker(machines: ManyMachines) -> str:
    return machines.push(python_project(COUNTS), "counts")


def where_it_runs(machines: ManyMachines, run: str) -> Machine:
    """The node that has the run, as soon as it has stored a row."""
    machines.wait_for(lambda: machines.detail(run)["results"] > 0, "the first row")
    return machines.node(machines.attempts(run)[-1].node)


@pytest.mark.parametrize("way", Way)
def test_a_node_that_is_cut_off_loses_its_attempts_and_comes_back(
    machines: ManyMachines, worker: str, way: Way
) -> None:
    run = machines.start_run(worker)
    node = where_it_runs(machines, run)
    node.link.cut(way)
    try:
        detail = machines.ended(run, 40)
        assert detail["status"] == FAILED
        assert machines.summary(run)["reason_code"] == "runner_lost"
        node.wait_for(lambda: not node.sandboxes(), "the end of the Worker", 5)
        machines.wait_for(lambda: takes_runs(machines) == 2, "the node to be silent", 30)
    finally:
        node.link.heal()
    machines.wait_for(lambda: takes_runs(machines) == 3, "the return of the node", 30)
    assert [row["n"] for row in machines.rows(run)] == list(range(detail["results"]))


def takes_runs(machines: ManyMachines) -> int:
    nodes = machines.read("/api/fyke/nodes")["list"]
    return sum(node["connected"] for node in nodes)


def test_a_short_cut_ends_nothing(machines: ManyMachines, worker: str) -> None:
    run = machines.start_run(worker)
    node = where_it_runs(machines, run)
    node.link.cut()
    node.link.heal()
    assert machines.ended(run)["status"] == SUCCEEDED
    assert [row["n"] for row in machines.rows(run)] == list(range(ROWS))
    assert [one.node for one in machines.attempts(run)] == [node.name]


def test_a_killed_node_loses_its_attempts_and_comes_back(
    machines: ManyMachines, worker: str
) -> None:
    run = machines.start_run(worker)
    node = where_it_runs(machines, run)
    node.kill()
    assert machines.ended(run, 40)["status"] == FAILED
    assert machines.summary(run)["reason_code"] == "runner_lost"
    node.start()
    machines.wait_for(lambda: takes_runs(machines) == 3, "the return of the node", 30)


def test_the_next_network_removes_what_a_killed_test_has_left() -> None:
    if no_networks():
        pytest.skip(no_networks())
    with subprocess.Popen(
        [sys.executable, "-c", LEAVES_A_NETWORK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        bridge, pid = process.stdout.readline().split()
        process.kill()
    assert interfaces(bridge) == [bridge, f"{bridge}n1"]
    with machine_network():
        assert not is_alive(int(pid))
    assert interfaces(bridge) == []


def interfaces(bridge: str) -> list[str]:
    return sorted(path.name for path in Path("/sys/class/net").glob(f"{bridge}*"))
