"""Measures what each request of a node costs beside many nodes and attempts, in CPU time.

    python bench/fleet_costs.py [--nodes 1000] [--attempts 20000] [--times 1]

The services of a gateway over a PostgreSQL server of its own, in this process and without TLS and
nodes: CPU time of this process (what a gateway needs) and of PostgreSQL for each call. Because it
is not elapsed time, other work on the machine changes it little; ``fleet.py`` needs an idle one.
The database has ``--nodes`` runners and ``--attempts`` living attempts of runs with a hundred each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from common import arguments, head, line
from fleet_nodes import CPUS, LINE, MEMORY_MB, ROW
from fleet_state import Database, join_of

from fyke.app import gateway as role
from fyke.app.folder import create_secret, master_secret
from fyke.app.runtime import open_runtime
from fyke.contracts.signals import SignalReader
from fyke.domain.nodes.authority import NodeAuthority, NodeIdentity
from fyke.domain.nodes.contact import never_cut_off
from fyke.domain.nodes.presence import NodeGreeting, NodePresence
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer
from fyke.model.attempt import AttemptEnd, AttemptReport
from fyke.model.log import NewLogEntry
from fyke.model.node import AttemptOrder
from fyke.model.node_registry import Node
from fyke.model.results import AttemptBatch
from fyke.model.run import SUCCESS
from fyke.model.runner import AttemptUsage, Capacity, RunnerInfo
from support.postgres import running_postgres

SIMULATED = 8  # nodes that ask
SUBTASKS = 100
LEASED = 16  # attempts of one lease
INFO = RunnerInfo("", "", "full", "", CPUS, MEMORY_MB, 0)


class Costs:
    """Measures calls, and prints what each costs."""

    def __init__(self, database: Database, times: float) -> None:
        self._database = database
        self._times = times

    async def of(
        self, name: str, times: int, call: Callable[[int], Awaitable[Any]], per: int = 1
    ) -> None:
        """Call some times with a number; one call counts as ``per`` of what ``name`` says."""
        times = max(2, round(times * self._times))
        await call(0)
        gateway, postgres = time.process_time(), self._database.cpu()
        for number in range(1, times):
            await call(number)
        gateway = (time.process_time() - gateway) / (times - 1) / per * 1e6
        postgres = (self._database.cpu() - postgres) / (times - 1) / per * 1e6
        line(
            name,
            f"gateway {gateway:8.0f} us   PostgreSQL {postgres:8.0f} us   (n={times - 1})",
            gateway_us=gateway,
            postgres_us=postgres,
        )


class ConnectedNode:
    """A node that has connected; ``orders`` are its attempts."""

    def __init__(self, node: Node, service: Any) -> None:
        self.node = node
        self.service = service
        self.orders: list[AttemptOrder] = []
        self._batches = 0

    async def lease(self, slots: int = LEASED) -> None:
        capacity = Capacity(CPUS, MEMORY_MB, slots, total=(CPUS, MEMORY_MB))
        self.orders += await self.service.lease(capacity, idle=not self.orders)

    async def report(self, number: int, count: int) -> None:
        usage = AttemptUsage(number * 900, number * 100, 2**26, 2**26 - number, number, number)
        reports = [AttemptReport(order.key, usage) for order in self.orders[:count]]
        orders = await self.service.report(reports)
        assert not orders.lost and not orders.stop, orders

    async def commit(self, count: int) -> None:
        self._batches += 1
        batches = []
        for order in self.orders[:count]:
            key, line = order.key, NewLogEntry(2, order.key.number, LINE, 1_700_000_000_000)
            batches.append(AttemptBatch(key.run_id, key.id, [ROW], None, [line], self._batches))
        assert all(await self.service.rows.commit(batches))


async def measure(options: Any, folder: Path, database: Database) -> None:
    names = [f"n{number}" for number in range(SIMULATED)]
    await database.fill(folder, names, 1, SUBTASKS)
    settings = database.settings
    async with open_runtime(settings, reader=SignalReader.RUNNER) as runtime:
        master = master_secret(settings)
        opening = role._Opening(runtime, master, never_cut_off)
        authority = NodeAuthority(runtime.storage, Sealer(master), SystemClock())
        presence = NodePresence(runtime.storage, authority, SystemClock(), "G1")

        async def connect(number: int, name: str) -> ConnectedNode:
            identity = NodeIdentity(name, join_of(name))
            greeting = NodeGreeting(f"R{number:05}{name}", 0, "1.2.3", "192.0.2.1")
            node = await presence.greet(identity, greeting)
            assert isinstance(node, Node)
            service = opening.gateway(node)
            await service.active()
            await service.register(INFO)
            await service.replace_earlier()
            return ConnectedNode(node, service)

        first = await connect(0, names[0])
        await first.lease(SUBTASKS)
        for order in first.orders:
            await first.service.start(order.key)
        database.multiply(first.orders[0].key.run_id, options.attempts, options.nodes)
        nodes = [first, *[await connect(0, name) for name in names[1:]]]
        await measure_with(Costs(database, options.times), database, presence, nodes, connect)


async def measure_with(
    costs: Costs,
    database: Database,
    presence: NodePresence,
    nodes: list[ConnectedNode],
    connect: Any,
) -> None:
    first = nodes[0]
    for count in (10, 100):
        await costs.of(f"renewal, {count} a report", 40, lambda n, c=count: first.report(n, c),
                       count)  # fmt: skip
    await costs.of("check of a node, alone", 200, lambda _: presence.check(first.node))
    many = [each.node for each in nodes] * 4
    await costs.of("check of a node, 32 at once", 40,
                   lambda _: asyncio.gather(*map(presence.check, many)), len(many))  # fmt: skip
    await costs.of("a node is seen and registers", 40, lambda _: _seen(presence, first))
    # what waits comes in runs of one subtask
    database.copy_runs(database.single, "01HSX", 1, 2000)
    await costs.of("lease of 16, an attempt", 20, lambda n: nodes[n % SIMULATED].lease(), LEASED)
    taken = [(each, order) for each in nodes[1:] for order in each.orders]

    async def start(number: int) -> None:
        node, order = taken[number]
        await node.service.start(order.key)

    await costs.of("start of an attempt", len(taken) - 1, start)
    await costs.of("commit of 16 attempts with a row and a line each, alone", 40,
                   lambda n: nodes[1 + n % 2].commit(LEASED))  # fmt: skip
    await costs.of("commit of 16 attempts with a row and a line each, 7 nodes at once", 20,
                   lambda _: asyncio.gather(*(each.commit(LEASED) for each in nodes[1:])),
                   SIMULATED - 1)  # fmt: skip

    async def end(number: int) -> None:
        node, order = taken[number]
        ended = AttemptEnd(SUCCESS, AttemptUsage(busy_ms=5))
        assert await node.service.end(order.key, ended) is not None

    await costs.of("end of an attempt", len(taken) - 1, end)
    database.drop_waiting()
    await costs.of("lease that finds nothing", 40, lambda n: nodes[n % SIMULATED].lease())
    await costs.of("a node connects", 10, lambda n: connect(n + 1, "n7"))


async def _seen(presence: NodePresence, node: ConnectedNode) -> None:
    await presence.note_seen(node.node)
    await node.service.register(INFO)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--attempts", type=int, default=20_000)
    parser.add_argument("--times", type=float, default=1, help="factor of all repetitions")
    options = parser.parse_args()
    head(f"Requests of a node beside {options.nodes:,} nodes and {options.attempts:,} attempts")
    with tempfile.TemporaryDirectory() as text, running_postgres(fsync=True) as server:
        folder = Path(text)
        (folder / "home").mkdir()
        database = Database(server, folder / "home")
        create_secret(database.settings)
        uvloop.run(measure(options, folder, database))
        updated, hot, size = database.updates()
        line("updates of attempts within their page", f"{hot / max(1, updated):.0%} of {updated:,}",
             hot_percent=100 * hot / max(1, updated))  # fmt: skip
        line("attempts with indexes", f"{size / 2**20:.1f} MiB", size_mib=size / 2**20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
