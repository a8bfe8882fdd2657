"""The metrics of an installation: its queue, its machines, and what its runs have used.

They come from the database, so every server answers the same. No label is the text of a user, and
none names a site, a run, an account or a machine: the values of labels are words of this program,
and at most ``MAX_POOLS`` names of pools.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.rights import require_operator
from fyke.domain.installation.service import CachedReport
from fyke.domain.nodes.machines import Availability, MachineFacts, Machines, MachineView
from fyke.domain.runs.placement import known_pools
from fyke.domain.runs.transitions import Rules
from fyke.domain.runs.waiting import count_reasons
from fyke.errors import FykeError
from fyke.kit.clock import Clock
from fyke.model.account import Caller
from fyke.model.billing import UsageSums
from fyke.model.callback import DeliveryKind
from fyke.model.metrics import ActiveAttempts, PendingDeliveries
from fyke.model.placement import PoolDemand
from fyke.model.settings_version import SERVER_SILENCE_MS
from fyke.reasons import ReasonCode
from fyke.telemetry.exposition import Metric, MetricKind

CACHE_SECONDS = 10.0  # so that scraping often, or by several programs, costs no more
READ_SECONDS = 8.0  # less than a scrape may take
MAX_POOLS = 100
OTHER_POOLS = "_other"  # no pool has this name
EXAMINED = 50  # waiting runs whose reasons are found, divided among the pools
CLOSED_DAYS = 3  # to days before that, of any time zone, nothing is added any more
MIB = 2**20

_COUNTER, _GAUGE = MetricKind.COUNTER, MetricKind.GAUGE

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class InstallationCounts:
    """What one read finds. ``closed`` is the last day (20261124) whose usage is in ``past``."""

    now: int
    pools: Sequence[str]
    demand: Sequence[PoolDemand]
    waiting: dict[str, int]
    oldest_ms: dict[str, int]
    reasons: dict[str, Counter[ReasonCode]]
    attempts: Sequence[ActiveAttempts]
    machines: Machines
    deliveries: Sequence[PendingDeliveries]
    servers: int
    closed: int
    past: UsageSums
    usage: UsageSums


class InstallationMetrics:
    """Reads the metrics, at most once in ``CACHE_SECONDS``."""

    def __init__(self, storage: Storage, rules: Rules, clock: Clock) -> None:
        self._storage = storage
        self._rules = rules
        self._past = (0, UsageSums())
        self._cached = CachedReport(self._load, CACHE_SECONDS, clock)

    async def read(self, caller: Caller) -> list[Metric]:
        """The metrics, for the operator. Raises ``Forbidden``."""
        require_operator(caller, "Reading metrics")
        return await self.read_all()

    async def read_all(self) -> list[Metric]:
        """The metrics, for a caller that was checked before. Without the database there is only
        one, which says so.
        """
        return await self._cached.get()

    async def _load(self) -> list[Metric]:
        is_up = Metric("fyke_database_up", _GAUGE, "Whether the database has answered, 1 or 0.")
        try:
            async with asyncio.timeout(READ_SECONDS):
                counts = await self._storage.read(self._count)
        except (FykeError, TimeoutError) as error:
            log.warning("metrics_not_read", problem=str(error) or "no answer in time")
            is_up.add(0)
            return [is_up]
        self._past = counts.closed, counts.past
        is_up.add(1)
        return [is_up, *metrics_of(counts)]

    def _count(self, tx: Transaction) -> InstallationCounts:
        waiting = dict(tx.metrics.waiting_runs())
        limit = max(1, EXAMINED // max(1, len(waiting)))
        examined = {
            pool: tx.metrics.oldest_waiting(pool, limit) for pool in sorted(waiting)[:MAX_POOLS]
        }
        oldest = {pool: tx.runs.get(ids[0]) for pool, ids in examined.items() if ids}
        day = datetime.fromtimestamp(tx.now / 1000, UTC) - timedelta(days=CLOSED_DAYS)
        closed = int(f"{day:%Y%m%d}")
        known, past = self._past
        if known != closed:
            past = tx.metrics.usage(0, closed)
        return InstallationCounts(
            now=tx.now,
            pools=known_pools(tx, self._rules),
            demand=tx.admission.demand(),
            waiting=waiting,
            oldest_ms={pool: tx.now - run.created_at for pool, run in oldest.items() if run},
            reasons={pool: count_reasons(tx, ids) for pool, ids in examined.items()},
            attempts=tx.metrics.active_attempts(tx.now),
            machines=MachineFacts(tx).machines(),
            deliveries=tx.metrics.pending_deliveries(),
            servers=tx.servers.count_active(tx.now - SERVER_SILENCE_MS),
            closed=closed,
            past=past,
            usage=past + tx.metrics.usage(closed + 1, 99991231),
        )


def metrics_of(counts: InstallationCounts) -> list[Metric]:
    """The metrics of what was read."""
    pools = _Pools([*counts.pools, *sorted(counts.waiting)])
    servers = Metric("fyke_servers", _GAUGE, "Servers of this database that report; 0 for one.")
    servers.add(counts.servers)
    return [
        *_of_demand(counts, pools),
        *_of_waiting(counts, pools),
        *_of_attempts(counts, pools),
        *_of_machines(counts.machines, pools),
        *_of_deliveries(counts),
        *_of_usage(counts.usage),
        servers,
    ]


class _Pools:
    """The pools that are named: the first ones; the others are added up as ``OTHER_POOLS``."""

    def __init__(self, pools: Iterable[str]) -> None:
        known = [*dict.fromkeys(pools)]
        self._named = frozenset(known[:MAX_POOLS])
        self.names = known[:MAX_POOLS] + ([OTHER_POOLS] if len(known) > MAX_POOLS else [])

    def gauge(self, name: str, help: str, label: str = "", values: Iterable[str] = ()) -> _ByPool:
        """A gauge with a value for each pool, and for each value of a further label if given: 0
        where nothing is counted.
        """
        of_label = [*values] if label else [""]
        keys = [(pool, value) for pool in self.names for value in of_label]
        return _ByPool(self, Metric(name, _GAUGE, help), label, dict.fromkeys(keys, 0.0))

    def name(self, pool: str) -> str:
        return pool if pool in self._named else OTHER_POOLS


@dataclass(frozen=True, slots=True)
class _ByPool:
    """A gauge that is added up by pool and one further label, if it has one."""

    pools: _Pools
    metric: Metric
    label: str
    sums: dict[tuple[str, str], float]

    def count(self, pool: str, value: float, of_label: str = "") -> None:
        key = self.pools.name(pool), of_label
        self.sums[key] = self.sums.get(key, 0) + value

    def made(self) -> Metric:
        for (pool, value), total in self.sums.items():
            self.metric.add(total, pool=pool, **({self.label: value} if self.label else {}))
        return self.metric


def _of_demand(counts: InstallationCounts, pools: _Pools) -> list[Metric]:
    whose = "of subtasks that wait and may start now, and of attempts that run"
    labels = "state", ("waiting", "running")
    subtasks = pools.gauge("fyke_demand_subtasks", f"Number {whose}.", *labels)
    cpus = pools.gauge("fyke_demand_cpus", f"Cores {whose}, without browsers.", *labels)
    memory = pools.gauge("fyke_demand_memory_bytes", f"Bytes {whose}, without browsers.", *labels)
    browsers = pools.gauge(
        "fyke_demand_browsers", f"Number {whose}, and may have a browser.", *labels
    )
    for one in counts.demand:
        subtasks.count(one.pool, one.waiting, "waiting")
        subtasks.count(one.pool, one.running, "running")
        cpus.count(one.pool, one.waiting_cpus, "waiting")
        cpus.count(one.pool, one.running_cpus, "running")
        memory.count(one.pool, one.waiting_memory_mb * MIB, "waiting")
        memory.count(one.pool, one.running_memory_mb * MIB, "running")
        browsers.count(one.pool, one.waiting_browsers, "waiting")
        browsers.count(one.pool, one.running_browsers, "running")
    return [gauge.made() for gauge in (subtasks, cpus, memory, browsers)]


def _of_waiting(counts: InstallationCounts, pools: _Pools) -> list[Metric]:
    runs = pools.gauge("fyke_waiting_runs", "Runs that have not started.")
    for pool, number in counts.waiting.items():
        runs.count(pool, number)
    longest = Metric(
        "fyke_longest_wait_seconds", _GAUGE, "Since when the oldest run waits that has not started."
    )
    ages = dict.fromkeys(pools.names, 0.0)
    for pool, age in counts.oldest_ms.items():
        name = pools.name(pool)
        ages[name] = max(ages.get(name, 0.0), age / 1000)
    for name, seconds in ages.items():
        longest.add(seconds, pool=name)
    reasons = pools.gauge(
        "fyke_oldest_waiting_runs",
        f"Why the oldest waiting runs wait: {EXAMINED} of them, divided among the pools.",
        "reason",
    )
    for pool, found in counts.reasons.items():
        for reason, number in found.items():
            reasons.count(pool, number, reason.value)
    return [runs.made(), longest, reasons.made()]


def _of_attempts(counts: InstallationCounts, pools: _Pools) -> list[Metric]:
    leased = pools.gauge(
        "fyke_attempts",
        "Leased attempts; preparing: the Worker has not started yet.",
        "state",
        ("preparing", "running"),
    )
    expired = pools.gauge(
        "fyke_expired_leases", "Leased attempts whose lease was not renewed in time."
    )
    traffic = pools.gauge("fyke_attempts_traffic_bytes", "Traffic of leased attempts so far.")
    cpu = pools.gauge("fyke_attempts_cpu_seconds", "CPU time of leased attempts so far.")
    for one in counts.attempts:
        leased.count(one.pool, one.preparing, "preparing")
        leased.count(one.pool, one.attempts - one.preparing, "running")
        expired.count(one.pool, one.expired)
        traffic.count(one.pool, one.traffic_bytes)
        cpu.count(one.pool, one.cpu_ms / 1000)
    return [gauge.made() for gauge in (leased, expired, traffic, cpu)]


def _of_machines(machines: Machines, pools: _Pools) -> list[Metric]:
    """The room of machines that do not report is not counted."""
    states = [state.value for state in Availability]
    nodes = pools.gauge("fyke_nodes", "Nodes, by whether they take attempts.", "state", states)
    own = pools.gauge(
        "fyke_own_machines", "Machines of the installation itself, likewise.", "state", states
    )
    room = _Room(pools)
    for node in machines.nodes:
        nodes.count(node.pool, 1, node.availability.value)
        room.count(node)
    for machine in machines.own:
        own.count(machine.pool, 1, machine.availability.value)
        room.count(machine)
    return [nodes.made(), own.made(), *room.made()]


class _Room:
    """The room of the machines that report, added up by pool."""

    def __init__(self, pools: _Pools) -> None:
        whose = "of machines that report"
        self._cpus = pools.gauge("fyke_machine_cpus", f"Cores {whose}.")
        self._cpus_taken = pools.gauge("fyke_machine_cpus_reserved", "Those that attempts reserve.")
        self._memory = pools.gauge("fyke_machine_memory_bytes", f"Memory for attempts {whose}.")
        self._memory_taken = pools.gauge(
            "fyke_machine_memory_reserved_bytes", "That which attempts reserve."
        )

    def count(self, machine: MachineView) -> None:
        runner = machine.runner
        if runner is None or not machine.connected:
            return
        self._cpus.count(machine.pool, runner.cpus)
        self._cpus_taken.count(machine.pool, machine.cpus_taken)
        self._memory.count(machine.pool, runner.memory_mb * MIB)
        self._memory_taken.count(machine.pool, machine.memory_taken_mb * MIB)

    def made(self) -> list[Metric]:
        gauges = (self._cpus, self._cpus_taken, self._memory, self._memory_taken)
        return [gauge.made() for gauge in gauges]


def _of_deliveries(counts: InstallationCounts) -> list[Metric]:
    waiting = Metric("fyke_callbacks_waiting", _GAUGE, "Callbacks that are still to be sent.")
    overdue = Metric(
        "fyke_callbacks_overdue_seconds", _GAUGE, "Since when the first of them has been due."
    )
    known = {delivery.kind: delivery for delivery in counts.deliveries}
    for kind in DeliveryKind:
        found = known.get(kind.value)
        waiting.add(found.deliveries if found else 0, kind=kind.value)
        late = max(0, counts.now - found.next_at) if found else 0
        overdue.add(late / 1000, kind=kind.value)
    return [waiting, overdue]


def _of_usage(usage: UsageSums) -> list[Metric]:
    """What ended runs have used; runs count when they end, also those that were deleted since."""
    ended = Metric("fyke_runs_ended_total", _COUNTER, "Runs that have ended, by their result.")
    ended.add(usage.succeeded, result="succeeded")
    ended.add(usage.failed, result="failed")
    ended.add(usage.aborted, result="aborted")
    sums = (
        ("fyke_rows_total", "Rows of ended runs.", usage.results),
        ("fyke_traffic_bytes_total", "Traffic of ended runs.", usage.traffic_bytes),
        ("fyke_cpu_seconds_total", "CPU time of ended runs.", usage.cpu_ms / 1000),
        ("fyke_run_seconds_total", "Time from start to end of ended runs.", usage.run_ms / 1000),
    )
    metrics = [ended]
    for name, text, value in sums:
        metrics.append(Metric(name, _COUNTER, text))
        metrics[-1].add(value)
    return metrics
