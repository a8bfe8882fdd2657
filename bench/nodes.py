"""Measures runs on nodes, beside the same runs on the machine of the installation.

    python bench/nodes.py [--nodes 3] [--starts 30] [--runs 200] [--rounds 3] [--settle 65]

Everything is on this machine: a PostgreSQL server, a platform, and nodes that have joined it over
loopback, each with its own launcher, egress and sandboxes, and a third of the cores as its size.

* POST to the first line of a Worker with warm sandboxes, on the installation's own runner, on a
  node, and the difference of the medians; as ``start.py`` measures it.
* Trivial runs drained a second, by the own runner and by the nodes, their ratio, and the share of
  the gateway in the CPU time that the machine has spent meanwhile.
* ``fyke node join`` and ``fyke node up`` until the node takes runs; the first node has filled the
  caches of files and bytecode.
* PSS of all processes of an idle node, after ``--settle`` seconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from common import arguments, cpu_seconds, head, line, platform_up, times
from drain import ROW
from idle_memory import memory, name_of
from start import WORKER

from fyke.settings import Settings
from support.booted import booted
from support.booted_node import BootedNode
from support.postgres import PostgresServer, running_postgres
from support.projects import python_project

USERS_FROM, USERS = 34_096, 1024  # of the sandboxes of the first node, and of each
TAKES_SECONDS = 60.0
TAKES = "ready", "operator_only"
PAUSE = 0.4  # seconds for which no request is sent while a run starts


class Measured:
    """A platform with runs of two Workers: one says when it starts, the other pushes a row."""

    def __init__(self, running: Any, api: Any, database: str) -> None:
        self.running, self.api = running, api
        self._state = psycopg.connect(database.replace("+psycopg", ""), autocommit=True)
        self.timed = running.push(python_project(WORKER), "nodes-start")
        self.trivial = running.push(python_project(ROW), "nodes-drain")

    def warm_up(self, runs: int) -> None:
        """Let the machines build the environments and keep sandboxes."""
        for worker in (self.timed, self.trivial):
            found = [self.api.start(worker)["run_slug"] for _ in range(runs)]
            for run in found:
                self.api.ended(run)
        time.sleep(2)

    def first_line(self) -> float:
        """Milliseconds from the POST to the first line of one run."""
        sent = time.monotonic()
        run = self.api.start(self.timed)["run_slug"]
        time.sleep(PAUSE)
        self.api.ended(run)
        [row] = self.api.rows(run)
        return float((row["first_line"] - sent) * 1000)

    def drained(self, count: int) -> float:
        """Runs a second, from the first POST to the last end."""
        started_at = time.time() * 1000
        runs = [self.api.start(self.trivial)["run_slug"] for _ in range(count)]
        for run in reversed(runs):
            self.api.ended(run, pause=0.5)
        query = "SELECT max(finished_at) FROM runs WHERE id = ANY(%s)"
        [(ended_at,)] = self._state.execute(query, (runs,))
        return count / (float(ended_at) - started_at) * 1000

    def executed_by(self) -> dict[str, int]:
        """How many attempts each machine has had."""
        query = "SELECT node, count(*) FROM attempts GROUP BY node ORDER BY node"
        return {str(node): int(count) for node, count in self._state.execute(query)}


@contextlib.contextmanager
def platform(server: PostgresServer, **settings: str) -> Iterator[Measured]:
    database = server.new_database()
    with platform_up(database_url=database, **settings) as (running, api):
        yield Measured(running, api, database)


def size(nodes: int) -> dict[str, str]:
    """The size of each node: together they have what the installation's own runner has."""
    cores = os.cpu_count() or 1
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {"runner_cpus": f"{cores / nodes:.2f}", "runner_memory_mb": str(megabytes // 2 // nodes)}


def joined(measured: Measured, number: int, count: int, stack: ExitStack) -> BootedNode:
    """A node that takes runs; print how long that took."""
    names = "warm_sandboxes", "warm_browsers"
    settings = {name: str(Settings.model_fields[name].default) for name in names}
    node = stack.enter_context(booted(BootedNode, start=False, **settings, **size(count)))
    node.variables = {
        "FYKE_ATTEMPT_UID_BASE": str(USERS_FROM + number * USERS),
        "FYKE_ATTEMPT_UIDS": str(USERS),
    }
    started = time.perf_counter()
    node.join(measured.running, f"n{number + 1}")
    at_join = time.perf_counter() - started
    node.start()

    def takes_runs() -> bool:
        found = measured.running.read("/api/fyke/nodes")["list"]
        return any(each["name"] == node.name and each["availability"] in TAKES for each in found)

    measured.running.wait_for(takes_runs, "a node that takes runs", TAKES_SECONDS)
    took = time.perf_counter() - started
    kind = "with warm caches" if number else "first node"
    line(f"joined, {kind}", f"{took:.2f} s, of them {at_join:.2f} s to join", elapsed_s=took)
    return node


def show_memory(node: BootedNode) -> None:
    assert node.process is not None
    processes = {node.process.pid: "root supervisor or supervisor"}
    processes |= {pid: name_of(command) for pid, command in node.tree().items()}
    total = 0.0
    for pid, name in processes.items():
        with contextlib.suppress(OSError):
            pss, private = memory(pid)
            total += pss
            line(f"idle node: {name}", f"PSS {pss:6.1f} MiB  private {private:6.1f} MiB")
    line("idle node", f"PSS {total:6.1f} MiB", pss_mib=total)


def busy_seconds() -> float:
    """CPU time of this machine that was not idle."""
    fields = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def local(server: PostgresServer, options: Any) -> tuple[float, float]:
    """The median of the first line in ms, and of the drained runs a second, without nodes."""
    with platform(server) as measured:
        measured.warm_up(4)
        lines = [measured.first_line() for _ in range(options.starts)]
        times("own runner: POST to first line", lines)
        rates = [measured.drained(options.runs) for _ in range(options.rounds)]
        rate = statistics.median(rates)
        text = ", ".join(f"{each:.1f}" for each in rates)
        line("own runner: drained", f"median {rate:.1f} runs/s  ({text})", rate_per_s=rate)
        return statistics.median(lines), rate


def remote(server: PostgresServer, options: Any, local_ms: float, local_rate: float) -> None:
    # the own runner is in a pool that no run asks for
    settings = {"gateway_port": free_port(), "default_pool": "default", "runner_pool": "own"}
    with platform(server, **settings) as measured, ExitStack() as stack:
        nodes = [joined(measured, number, options.nodes, stack) for number in range(options.nodes)]
        time.sleep(options.settle)
        show_memory(nodes[-1])
        measured.warm_up(8 * options.nodes)
        lines = [measured.first_line() for _ in range(options.starts)]
        times("node: POST to first line", lines)
        more = statistics.median(lines) - local_ms
        line("node: POST to first line, above the own runner", f"{more:.1f} ms", p50_ms=more)
        gateway = measured.running.role("gateway")
        before = cpu_seconds(gateway), busy_seconds()
        rates = [measured.drained(options.runs) for _ in range(options.rounds)]
        spent, busy = cpu_seconds(gateway) - before[0], busy_seconds() - before[1]
        rate = statistics.median(rates)
        text = ", ".join(f"{each:.1f}" for each in rates)
        line(f"{options.nodes} nodes: drained", f"median {rate:.1f} runs/s  ({text})",
             rate_per_s=rate)  # fmt: skip
        line("nodes: drained, against the own runner", f"{rate / local_rate:.2f}",
             ratio=rate / local_rate)  # fmt: skip
        runs = options.runs * options.rounds
        line("gateway: share of the CPU time while draining",
             f"{spent / busy:.1%}, {spent / runs * 1000:.1f} ms a run",
             share_percent=100 * spent / busy, cpu_ms=spent / runs * 1000)  # fmt: skip
        print("attempts:", measured.executed_by())


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settle", type=float, default=65, help="idle seconds before the memory")
    options = parser.parse_args()
    head(f"Runs on {options.nodes} nodes, and on the machine of the installation")
    with running_postgres(fsync=True) as server:
        local_ms, local_rate = local(server, options)
        remote(server, options, local_ms, local_rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
