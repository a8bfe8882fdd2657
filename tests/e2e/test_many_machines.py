"""An installation and three nodes, each in a network of its own, with blobs in S3: a share of what
users do, faults of nodes and of their links, and with --all the tests of one machine.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from support.booted import TLS
from support.browser_site import ROWS as SHOWN
from support.browser_site import ROWS_WORKER, site_in_thread
from support.left_over import left_over
from support.live_streams import CONNECTS, PASSWORD, click, events, first_picture
from support.machine_network import Way, machine_network, no_networks
from support.many_machines import Machine, ManyMachines, many_machines_in_s3
from support.processes import is_alive
from support.projects import python_project
from support.receivers import Receiver, Reply, listening
from support.tools import MACHINES
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("postgres", "ip"), pytest.mark.slow, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Those that say something about where a Worker runs: its input, secrets, limits, end, rows and log.
OF_REMOTE_RUNS = (
    *("attacks", "callbacks", "languages", "limits", "replay"),
    *("secrets", "splitting", "zoo"),
)
SUCCEEDED, FAILED, ABORTED = 3, 4, 5
ROWS = 200
SPLIT = {"properties": [{"name": "words", "type": "array"}], "concurrency": {"fields": ["words"]}}
WORDS = [f"word-{number}" for number in range(12)]
SPELLS = """
import contextlib, urllib.request
from sdk import CoreSDK

[word] = CoreSDK.Parameter.get_input_json_dict()["words"]
CoreSDK.Log.info("spells " + word)
CoreSDK.Result.push_data({"word": word})
with contextlib.suppress(OSError):
    urllib.request.urlopen(GATE)
"""
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
    with many_machines_in_s3(callback_allow="127.0.0.1/32") as platform:
        yield platform


def splitting(machines: ManyMachines, name: str, gate: Receiver) -> str:
    """A Worker with a subtask for each word, which lasts until the gate is closed."""
    gate.reply("/gate", *[Reply(hang=True)] * len(WORDS))
    code = SPELLS.replace("GATE", repr(gate.url("/gate")))
    return machines.push(python_project(code, schema=SPLIT), name)


def test_a_run_is_split_over_the_nodes(machines: ManyMachines) -> None:
    with listening() as receiver:
        with listening() as gate:
            body = {
                "scraper_slug": splitting(machines, "spells", gate),
                "callback_url": receiver.url("/split"),
                "input": {"parameters": {"system": allowing(gate), "custom": {"words": WORDS}}},
            }
            run = str(machines.call("/api/v1/scraper/run", body)["run_slug"])
            machines.wait_for(
                lambda: all(machines.attempts_by_node(run).values()), "every node", 60
            )
        assert machines.ended(run)["status"] == SUCCEEDED
        machines.wait_for(lambda: "succeeded" in states_sent(receiver, run), "its callback")
    ran = machines.attempts_by_node(run)
    assert list(ran) == [node.name for node in machines.nodes]
    assert sorted(row["word"] for row in machines.rows(run)) == sorted(WORDS)
    log = machines.log_text(run)
    assert all(f"spells {word}\n" in log for word in WORDS)
    export, _ = machines.links(run)
    assert len(httpx2.get(export, verify=TLS).text.splitlines()) == len(WORDS) + 1


def allowing(gate: Receiver) -> dict[str, list[str]]:
    return {"egress_allow": [f"127.0.0.1:{gate.port}"]}


def states_sent(receiver: Receiver, run: str) -> list[str]:
    sent = [received.data for received in receiver.at("/split")]
    return [data["run_status"] for data in sent if data["run_slug"] == run]


def test_an_abort_stops_the_workers_of_all_nodes(machines: ManyMachines) -> None:
    with listening() as gate:
        slug = splitting(machines, "spells-long", gate)
        run = machines.start_run(slug, {"words": WORDS}, **allowing(gate))
        machines.wait_for(lambda: all(node.sandboxes() for node in machines.nodes), "all to run")
        machines.call("/api/v1/scraper/abort", {"run_slug": run})
        assert machines.ended(run)["status"] == ABORTED
        machines.wait_for(lambda: not left_over(machines), "nothing to be left", 15)


@pytest.mark.needs("chromium")
def test_a_node_has_a_browser_for_its_worker(machines: ManyMachines) -> None:
    files = {"devtools.py": DEVTOOLS.read_text()}
    slug = machines.push(python_project(ROWS_WORKER, **files), "browser-rows")
    with site_in_thread() as site:
        target = f"127.0.0.1:{site.port}"
        given = {"url": f"http://{target}/items", "connect": {}}
        run = machines.start_run(slug, given, egress_allow=[target])
        detail = machines.ended(run, 120)
    assert (detail["status"], machines.rows(run)) == (SUCCEEDED, SHOWN), detail
    assert machines.node(machines.attempts(run)[-1].node).name


@pytest.mark.needs("chromium")
def test_a_browser_on_a_node_is_watched_and_taken_over(machines: ManyMachines) -> None:
    token = machines.setup_link().partition("/setup?token=")[2]
    form, headers = {"token": token, "password": PASSWORD}, {"origin": machines.url}
    set_up = httpx2.post(f"{machines.url}/setup", data=form, headers=headers, verify=TLS)
    assert set_up.status_code == 303
    files = {"devtools.py": DEVTOOLS.read_text()}
    run = machines.start_run(machines.push(python_project(CONNECTS, **files), "live-on-a-node"))
    at = f"/runs/{run}/browser"
    with (
        signed_in(machines) as viewer,
        signed_in(machines) as owner,
        viewer.stream("GET", f"{at}/live") as answer,
    ):
        stream = events(answer)
        state, picture = first_picture(stream, "Shop")
        assert base64.b64decode(picture["jpeg"]).startswith(b"\xff\xd8\xff")
        body = {"attempt": state["attempt"], "page": picture["page"], "inputs": click()}
        sent = body | {"picture": picture["number"]}
        assert owner.post(f"{at}/input", json=sent).status_code == 400  # not taken over
        taken = owner.post(f"{at}/take-over", data={"attempt": state["attempt"]})
        assert taken.status_code == 303
        assert owner.post(f"{at}/input", json=sent).status_code == 204
        assert [kind for kind, _ in stream][-1] == "end"
    detail = machines.ended(run, 200)
    assert (detail["status"], machines.rows(run)) == (SUCCEEDED, [{"title": "Bought"}]), detail
    assert machines.node(machines.attempts(run)[-1].node).name
    log = machines.log_text(run)
    assert "owner has taken over the browser" in log
    assert "owner has given the browser back: the Worker has ended." in log


@contextmanager
def signed_in(machines: ManyMachines) -> Iterator[httpx2.Client]:
    """A client with a new session of the owner."""
    headers = {"origin": machines.url}
    with httpx2.Client(base_url=machines.url, headers=headers, timeout=120, verify=TLS) as client:
        signed = client.post("/login", data={"name": "owner", "password": PASSWORD})
        assert signed.status_code == 303, signed.text
        yield client


@pytest.fixture(scope="module")
def worker(machines: ManyMachines) -> str:
    return machines.push(python_project(COUNTS), "counts")


def where_it_runs(machines: ManyMachines, run: str) -> Machine:
    """The node that has the run, as soon as it has stored a row."""
    machines.wait_for(lambda: machines.detail(run)["results"] > 0, "the first row")
    return machines.node(machines.attempts(run)[-1].node)


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[] if way is Way.BOTH else [pytest.mark.long]) for way in Way]
)
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


@pytest.mark.long
def test_a_short_cut_ends_nothing(machines: ManyMachines, worker: str) -> None:
    run = machines.start_run(worker)
    node = where_it_runs(machines, run)
    node.link.cut()
    node.link.heal()
    assert machines.ended(run)["status"] == SUCCEEDED
    assert [row["n"] for row in machines.rows(run)] == list(range(ROWS))
    assert [one.node for one in machines.attempts(run)] == [node.name]


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_the_end_to_end_suite_passes_on_three_machines() -> None:
    """Runs tests of one machine in a separate session whose runs go to three nodes."""
    files = [HERE / f"test_{name}.py" for name in OF_REMOTE_RUNS]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *files, "-m", "not long"],
        cwd=ROOT,
        env={**os.environ, MACHINES: "3"},
        capture_output=True,
        text=True,
        timeout=2300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-20_000:]
    assert ended.stdout.count(".") > 60  # the tests were found
