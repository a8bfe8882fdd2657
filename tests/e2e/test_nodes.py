"""Runs on a machine that has joined: another process tree with a data folder of its own."""

from __future__ import annotations

import itertools
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fyke.reasons import ReasonCode
from support.booted import Booted, booted
from support.booted_node import BootedNode
from support.commands import Cli
from support.postgres import PostgresServer, running_postgres
from support.projects import python_project, zoo
from support.reasons import reaches

SUCCEEDED, FAILED = 3, 4
ROWS = 300
COUNTS = f"""
import os, time
from sdk import CoreSDK

CoreSDK.Log.info("signs in with " + os.environ["LOGIN"])
for number in range({ROWS}):
    CoreSDK.Result.push_data({{"n": number, "secret": len(os.environ["LOGIN"])}})
    time.sleep(0.01)
"""
SECRET = "canary-5b1d"
NEEDS_MB = 256  # more than the runner of the server has
_names = (f"n{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres(fsync=False) as server:
        yield server


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> Iterator[Booted]:
    """A platform whose own runner is too small for the runs of these tests."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    database = postgres.new_database()
    with booted(database_url=database, gateway_port=str(port), runner_memory_mb="128") as platform:
        yield platform


@pytest.fixture
def node(server: Booted) -> Iterator[BootedNode]:
    """A node that has joined and takes attempts."""
    with booted(BootedNode, start=False) as node:
        joined = node.join(server, next(_names))
        assert joined["home"] == str(node.home)
        yield node.start()


@pytest.fixture(scope="module")
def worker(server: Booted) -> str:
    slug = server.push(python_project(COUNTS), "counts")
    Cli(server).run("secret", "set", "owner/counts", "LOGIN", stdin=SECRET)
    return slug


@pytest.fixture(scope="module")
def forever(server: Booted) -> str:
    return server.push(zoo("pushes_forever"), "pushes-forever")


def left_over(home: Path) -> list[str]:
    """The processes that have the folder in their command line."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(home) in line]


def executed_by(server: Booted, run: str) -> list[str]:
    """The names of the nodes that have executed the run."""
    with psycopg.connect(server.settings["database_url"].replace("+psycopg", "")) as state:
        found = state.execute(
            "SELECT runners.node FROM attempts JOIN runners ON runners.id = attempts.runner_id"
            " WHERE attempts.run_id = %s",
            (run,),
        )
        return [str(name) for (name,) in found]


def test_a_run_executes_on_the_node(server: Booted, worker: str, node: BootedNode) -> None:
    run = server.start_run(worker, memory=NEEDS_MB)
    node.wait_for(lambda: node.sandboxes(), "a sandbox on the node")
    detail = server.ended(run)
    assert executed_by(server, run) == [node.name]
    assert (detail["status"], detail["results"]) == (SUCCEEDED, ROWS), detail
    rows = server.rows(run)
    assert rows == [{"n": number, "secret": len(SECRET)} for number in range(ROWS)]
    text = server.log_text(run)
    assert "signs in with " in text and SECRET not in text
    assert not [*node.home.glob("*.db*")] and not (node.home / "secret.key").exists()


def test_a_node_without_a_registry_fetches_the_environment(server: Booted) -> None:
    with booted(BootedNode, start=False) as node:
        node.variables = {  # with nothing that could be installed
            "UV_FIND_LINKS": str(node.home / "none"),
            "PIP_FIND_LINKS": str(node.home / "none"),
            "UV_OFFLINE": "1",
        }
        node.join(server, next(_names))
        worker = server.push(python_project("import grpc\nprint('has its packages')\n"), "packed")
        packed = server.home / "blobs" / "environments"
        server.wait_for(lambda: packed.is_dir() and [*packed.iterdir()], "the archive", 120)
        node.start()
        run = server.start_run(worker, memory=NEEDS_MB)
        detail = server.ended(run)
        assert detail["status"] == SUCCEEDED, (detail, node.tail())
        assert executed_by(server, run) == [node.name]
        assert "has its packages" in server.log_text(run)
        assert "environment_fetched" in node.log.read_text()


def test_a_killed_gateway_loses_and_doubles_no_row(
    server: Booted, worker: str, node: BootedNode
) -> None:
    run = server.start_run(worker, memory=NEEDS_MB)
    server.wait_for(lambda: server.detail(run)["results"] > 0, "the first row")
    gateway = server.kill_role("gateway")
    detail = server.ended(run)
    assert (detail["status"], detail["results"]) == (SUCCEEDED, ROWS), detail
    assert [row["n"] for row in server.rows(run)] == list(range(ROWS))
    assert server.role("gateway") != gateway


@pytest.mark.long
@reaches(ReasonCode.NODE_DRAINED)
def test_a_drained_node_stops_its_worker_with_the_reason(
    server: Booted, forever: str, node: BootedNode
) -> None:
    run = server.start_run(forever, memory=NEEDS_MB)
    server.wait_for(lambda: server.detail(run)["results"] > 0, "the first row")
    Cli(server).run("node", "drain", node.name, "--seconds", 0)
    detail = server.ended(run)
    assert detail["status"] == FAILED
    assert server.summary(run)["reason_code"] == "node_drained"
    assert len(server.rows(run)) == detail["results"] > 0


@pytest.mark.long
def test_a_forgotten_node_stops_its_worker_and_ends(
    server: Booted, worker: str, node: BootedNode
) -> None:
    run = server.start_run(worker, memory=NEEDS_MB)
    server.wait_for(lambda: server.detail(run)["results"] > 0, "the first row")
    Cli(server).run("node", "forget", node.name, "--yes")
    assert server.detail(run)["status"] == FAILED  # it was ended before the command was answered
    assert server.summary(run)["reason_code"] == "runner_lost"
    assert node.wait(30) == 7
    assert "The installation has forgotten this node" in node.tail()
    assert left_over(node.home) == []
