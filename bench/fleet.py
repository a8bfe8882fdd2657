"""Measures how many nodes and attempts one installation carries, and what it reaches first.

    python bench/fleet.py [--nodes 1000] [--attempts 100000] [--seconds 30] [--gateways 1]
        [--subtasks 100] [--rows 1] [--row-seconds 10] [--starts 50] [--leased] [--deadline 900]
        [--statements]

A PostgreSQL server of its own (fsync on), gateways as ``fyke up`` runs them, each in a process, and
nodes that are simulated in one further process: each has its own connection of TLS with its own
certificate, by the code of a real node (``fyke.link``), and asks for what a runner asks for as
often as a runner does. It runs no Workers, and takes no files. Everything is on this machine, and
the nodes take their part of its CPU: CPU seconds say more than wall time.

The steps: all nodes connect; they lease and start all attempts (of runs with ``--subtasks``); they
hold them for ``--seconds``, with a report every second and ``--rows`` rows and a line of each
attempt every ``--row-seconds``; single runs are started while every node has room (``--starts``);
all attempts end. Ctrl-C ends it at any moment, with the figures so far. ``--statements`` prints all
kinds of statements. ``--leased`` leaves out leases and starts, which take a gateway an hour for
100,000 attempts: the nodes begin with attempts that were written into the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from common import arguments, head, line, percentile, spread, spread_values
from fleet_gateway import GatewayProcess, gateway, quiet
from fleet_nodes import Load, SimulatedNode, Times
from fleet_state import Database, join_of
from idle_memory import memory

from fyke.app.folder import create_secret
from fyke.kit.certificates import CertifiedKey
from support.postgres import running_postgres

CONNECTING = 12  # at once: a gateway makes 16 handshakes at a time with one address
START_SECONDS = 0.25  # between two single runs
MAX_CONNECTIONS = 100  # of PostgreSQL, unless it is changed
WORST_STATEMENTS = 8


@dataclass
class Step:
    """The costs of a step of the scenario."""

    name: str
    seconds: float = 0.0
    gateway_cpu: list[float] = field(default_factory=list)  # seconds of each
    postgres_cpu: float = 0.0
    nodes_cpu: float = 0.0
    lag_p99: float = 0.0
    times: Times = field(default_factory=Times)
    updates: tuple[int, int] = (0, 0)
    wal: int = 0


class Fleet:
    """The gateways and nodes of one run of the bench."""

    def __init__(self, options: Any, database: Database, gateways: list[GatewayProcess]) -> None:
        self._options = options
        self._database = database
        self._gateways = gateways
        self._times = Times()
        self._waiting: dict[str, float] = {}  # single runs, and when they were signalled
        self._taken: list[float] = []
        slots = -(-options.attempts // options.nodes)
        self._load = Load(slots, options.rows, options.row_seconds)
        self.names = [f"n{number}" for number in range(options.nodes)]
        self._nodes = [
            SimulatedNode(name, self._load, self._times, self._leased) for name in self.names
        ]
        self.steps: list[Step] = []

    async def run(self, authority: CertifiedKey) -> None:
        if self._options.leased:
            runner_ids = [node.runner_id for node in self._nodes]
            held = self._database.hold(self._options.attempts, runner_ids)
            for node in self._nodes:
                node.held = {key.id: key for key in held[node.runner_id]}
                node.may_take.set()
        try:
            await self._step("connect", self._connect(authority))
            if not self._options.leased:
                await self._step("lease", self._lease())
            await self._step("hold", asyncio.sleep(self._options.seconds))
            await self._step("idle", self._start_singles())
            await self._step("end", self._end())
        finally:
            await asyncio.gather(*(node.close() for node in self._nodes), return_exceptions=True)

    # --- the steps ----------------------------------------------------------------------------

    async def _connect(self, authority: CertifiedKey) -> None:
        turn = asyncio.Semaphore(CONNECTING)

        async def connect(number: int, node: SimulatedNode) -> None:
            address = self._gateways[number % len(self._gateways)].address
            async with turn:
                await node.connect(address, authority, join_of(node.name))

        async with asyncio.timeout(self._options.deadline):
            await asyncio.gather(*(connect(*each) for each in enumerate(self._nodes)))

    async def _lease(self) -> None:
        for node in self._nodes:
            node.may_take.set()
        await _until(lambda: self._held() >= self._options.attempts, self._options.deadline)
        if self._held() < self._options.attempts:
            line("not all attempts were leased in time", f"{self._held():,}")

    async def _start_singles(self) -> None:
        """Start single runs while every node has room for one more attempt."""
        await asyncio.gather(*(node.end_one() for node in self._nodes))
        await asyncio.sleep(2)
        self._times.take()
        for number in range(1, self._options.starts + 1):
            self._database.copy_runs(self._database.single, "01HSX", number, number)
            self._waiting[f"01HSX{number:021}"] = time.perf_counter()
            self._database.notify("work")
            await asyncio.sleep(START_SECONDS)
        await _until(lambda: not self._waiting, 10)

    async def _end(self) -> None:
        await asyncio.gather(*(node.end_all() for node in self._nodes))

    def _held(self) -> int:
        return sum(len(node.held) for node in self._nodes)

    def _leased(self, run_id: str) -> None:
        signalled = self._waiting.pop(run_id, None)
        if signalled is not None:
            self._taken.append((time.perf_counter() - signalled) * 1000)

    # --- the figures --------------------------------------------------------------------------

    async def _step(self, name: str, work: Any) -> None:
        step = Step(name)
        database, gateways = self._database, self._gateways
        database.reset()
        self._times.take()
        for each in gateways:
            each.lags()
        before = [each.cpu() for each in gateways], database.cpu(), time.process_time()
        updates, wal, started = database.updates(), database.wal_bytes(), time.perf_counter()
        try:
            await work
        finally:
            step.seconds = time.perf_counter() - started
            step.gateway_cpu = [
                each.cpu() - cpu for each, cpu in zip(gateways, before[0], strict=True)
            ]
            step.postgres_cpu = database.cpu() - before[1]
            step.nodes_cpu = time.process_time() - before[2]
            step.lag_p99 = max(each.lags()[1] for each in gateways)
            step.times = self._times.take()
            found = database.updates()
            step.updates = found[0] - updates[0], found[1] - updates[1]
            step.wal = database.wal_bytes() - wal
            self.steps.append(step)
            self._show(step)

    def _show(self, step: Step) -> None:
        seconds = step.seconds
        print(f"\n{step.name}: {seconds:.1f} s")
        name = f"{step.name}: "
        cores = [cpu / seconds for cpu in step.gateway_cpu]
        line(
            name + "cores used",
            f"gateways {', '.join(f'{each:.2f}' for each in cores)}   PostgreSQL"
            f" {step.postgres_cpu / seconds:.2f}   nodes {step.nodes_cpu / seconds:.2f}",
            gateway_ratio=sum(cores) / len(cores),
            postgres_ratio=step.postgres_cpu / seconds,
            nodes_ratio=step.nodes_cpu / seconds,
        )
        line(name + "lag of the event loop", f"p99 {step.lag_p99:.1f} ms", p99_ms=step.lag_p99)
        for call, values in sorted(step.times.found.items()):
            text = f"{len(values) / seconds:8.1f}/s  {spread(values)}"
            rate = {"rate_per_s": len(values) / seconds}
            line(name + call, text, **rate, **spread_values(values))
        for what, count in sorted(step.times.counts.items()):
            line(name + what, f"{count / seconds:,.0f}/s  ({count:,})", rate_per_s=count / seconds)
        if step.name == "hold":
            self._show_hold(step)
        if step.name == "idle" and self._taken:
            asked = len(step.times.found.get("lease", ()))
            line(name + "signal to lease", spread(self._taken), **spread_values(self._taken))
            line(
                name + "lease requests a start",
                f"{asked / self._options.starts:.1f} (polls included)",
                asked_count=asked / self._options.starts,
            )
        self._show_statements(step)

    def _show_hold(self, step: Step) -> None:
        renewals = step.times.counts["renewals"] or 1
        gateways, postgres = sum(step.gateway_cpu), step.postgres_cpu
        line(
            "hold: CPU a renewal, with all that goes with it",
            f"gateway {gateways / renewals * 1e6:.1f} us   PostgreSQL"
            f" {postgres / renewals * 1e6:.1f} us",
            gateway_us=gateways / renewals * 1e6,
            postgres_us=postgres / renewals * 1e6,
        )
        updated, hot = step.updates
        line(
            "hold: updates of attempts within their page",
            f"{hot / max(1, updated):.0%} of {updated:,}; WAL {step.wal / 2**20 / step.seconds:.1f}"
            " MiB/s",
            hot_percent=100 * hot / max(1, updated),
            wal_mib=step.wal / 2**20,
        )
        pss = [memory(each.pid)[0] for each in self._gateways]
        line(
            "hold: memory",
            f"gateways {', '.join(f'{each:.0f}' for each in pss)} MiB   PostgreSQL"
            f" {self._database.pss_mib():.0f} MiB (PSS)",
            gateway_mib=sum(pss) / len(pss),
            postgres_mib=self._database.pss_mib(),
        )
        connections = self._database.connections()
        line("hold: connections to PostgreSQL", f"{connections}", connections_count=connections)
        self._show_limits(step, connections)

    def _show_limits(self, step: Step, connections: int) -> None:
        """What of each limit is used; the first one is reached first."""
        all_cores = os.cpu_count() or 1
        seconds = step.seconds
        total = sum(step.gateway_cpu) + step.postgres_cpu + step.nodes_cpu
        late = percentile(step.times.found.get("report") or [0.0], 0.99) / 1000
        used = {
            "a core of a gateway (one event loop, one GIL)": max(step.gateway_cpu) / seconds,
            f"the {all_cores} cores of this machine": total / seconds / all_cores,
            "the second between two reports (p99 of a report)": late,
            f"{MAX_CONNECTIONS} connections to PostgreSQL": connections / MAX_CONNECTIONS,
        }
        print("\nused of the limits while all attempts are held, first to be reached first:")
        for name, share in sorted(used.items(), key=lambda each: -each[1]):
            line(f"limit: {name}", f"{share:.0%}", used_percent=100 * share)

    def _show_statements(self, step: Step) -> None:
        calls, spent = self._database.statements()
        kinds = sorted(calls, key=lambda kind: -spent[kind])
        shown = kinds if self._options.statements else kinds[:WORST_STATEMENTS]
        print(f"  statements: {sum(calls.values()) / step.seconds:,.0f}/s")
        for kind in shown:
            rate, each = calls[kind] / step.seconds, spent[kind] / max(1, calls[kind]) * 1000
            line(
                f"{step.name}: statements: {kind}",
                f"{rate:8.1f}/s  {spent[kind] / step.seconds / 10:5.1f} % of a core"
                f"  {each:8.0f} us each",
                rate_per_s=rate,
                each_us=each,
            )


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for the condition, at most for so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what changes it is counted by many tasks
                await asyncio.sleep(0.02)


async def measure(options: Any, folder: Path, database: Database, stack: ExitStack) -> None:
    runs = -(-options.attempts // options.subtasks)
    names = [f"n{number}" for number in range(options.nodes)]
    authority = await database.fill(folder, names, runs, options.subtasks)
    gateways = [
        stack.enter_context(gateway(database.settings.home, database.url))
        for _ in range(options.gateways)
    ]
    fleet = Fleet(options, database, gateways)
    task = asyncio.create_task(fleet.run(authority))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--attempts", type=int, default=100_000, help="held at once by all nodes")
    parser.add_argument("--seconds", type=float, default=30, help="how long they are held")
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--subtasks", type=int, default=100, help="attempts of one run")
    parser.add_argument("--rows", type=int, default=1, help="that an attempt puts out at once")
    parser.add_argument("--row-seconds", type=float, default=10, help="0: it puts out nothing")
    parser.add_argument("--starts", type=int, default=50, help="single runs")
    parser.add_argument("--leased", action="store_true", help="begin with all attempts under way")
    parser.add_argument("--deadline", type=float, default=900, help="seconds for each step")
    parser.add_argument("--statements", action="store_true", help="show all kinds of them")
    options = parser.parse_args()
    quiet()
    head(f"{options.nodes:,} nodes with {options.attempts:,} attempts, {options.gateways} gateways")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as text, running_postgres(fsync=True) as server:
        folder = Path(text)
        (folder / "home").mkdir()
        database = Database(server, folder / "home")
        create_secret(database.settings)
        with ExitStack() as stack:
            uvloop.run(measure(options, folder, database, stack))
    return 0


if __name__ == "__main__":
    sys.exit(main())
