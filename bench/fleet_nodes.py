"""The nodes of ``fleet.py``: the link of a real node over TLS, without Workers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from fyke import __version__
from fyke.contracts.signals import STOP, WORK, Listener
from fyke.domain.nodes.authority import NodeIdentity, certify_node
from fyke.errors import FykeError
from fyke.kit.certificates import CertifiedKey, new_request
from fyke.kit.clock import SystemClock
from fyke.kit.ids import new_ulid
from fyke.link.files import RemoteFiles
from fyke.link.gateway import RemoteGateway
from fyke.link.node_link import NodeLink
from fyke.link.notices import NodeNotices
from fyke.model.attempt import AttemptEnd, AttemptReport
from fyke.model.log import NewLogEntry
from fyke.model.node import AttemptOrder
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import SUCCESS, AttemptKey
from fyke.model.runner import AttemptUsage, Capacity, RunnerInfo

REPORT_SECONDS = 1.0
REGISTER_EVERY = 5  # reports
POLL_SECONDS = 5.0
CPUS, MEMORY_MB = 4096.0, 2**24  # of a node: only its slots limit what it takes
ROW = PushedRow(json.dumps({"title": "A thing", "url": "https://example.org/1"}).encode())
LINE = "fetched https://example.org/1 with status 200 in 153 ms"


@dataclass
class Times:
    """Milliseconds of the calls of all nodes, by name, since they were last taken."""

    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def take(self) -> Times:
        taken = Times(self.found, self.counts)
        self.found, self.counts = defaultdict(list), Counter()
        return taken


@dataclass(frozen=True, slots=True)
class Load:
    """What each node does: it holds ``slots`` attempts, each of which puts out ``rows`` rows and a
    log line every ``row_seconds`` (0: nothing).
    """

    slots: int
    rows: int
    row_seconds: float


class SimulatedNode:
    """One node. It asks what a runner asks, as often; ``leased`` is called with each order."""

    def __init__(self, name: str, load: Load, times: Times, leased: Callable[[str], None]) -> None:
        self.name = name
        self._load = load
        self._times = times
        self._leased = leased
        self.runner_id = new_ulid()
        self.held: dict[str, AttemptKey] = {}
        self._batches: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[Any]] = []
        self.may_take = asyncio.Event()
        self._freed = asyncio.Event()
        self._busy_ms = 0
        self._starting: set[asyncio.Task[Any]] = set()

    async def connect(
        self, address: tuple[str, int], authority: CertifiedKey, join_id: str
    ) -> None:
        """Connect, register and begin to report."""
        identity, request = NodeIdentity(self.name, join_id), new_request()
        certificate = certify_node(authority, request.certificate, identity, time.time())
        notices = NodeNotices()
        self._link = NodeLink(
            [address],
            authority.certificate,
            CertifiedKey(certificate, request.key),
            release=__version__,
            runner_id=self.runner_id,
            on_notice=notices.receive,
            on_certificate=lambda own: None,
            on_connected=notices.connected,
        )
        self._gateway = RemoteGateway(self._link, notices, RemoteFiles(self._link), SystemClock())
        self._begin(self._link.run())
        await self._link.connected.wait()
        info = RunnerInfo("", "", "full", "", CPUS, MEMORY_MB, 0)
        await self._timed("register", self._gateway.register(info))
        self._info = replace(info, settings_version=1)
        await self._timed("replace_earlier", self._gateway.replace_earlier())
        self._begin(self._report())
        self._begin(self._take())
        if self._load.row_seconds:
            self._begin(self._put_out())

    def _begin(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _timed(self, name: str, call: Any) -> Any:
        started = time.perf_counter()
        try:
            answer = await call
        except FykeError as error:
            self._times.counts[f"{name} failed: {error}"[:100]] += 1
            return None
        self._times.found[name].append((time.perf_counter() - started) * 1000)
        return answer

    async def _report(self) -> None:
        """Report every second, as ``Runner`` does, however long a report takes."""
        loop, beats = asyncio.get_running_loop(), 0
        last = loop.time()
        while True:
            last = max(last + REPORT_SECONDS, loop.time())
            await asyncio.sleep(last - loop.time())
            beats += 1
            self._busy_ms += 1000
            if self.held:
                usage = AttemptUsage(
                    traffic_bytes=self._busy_ms * 9,
                    cpu_ms=self._busy_ms // 8,
                    memory_peak_bytes=2**26,
                    memory_bytes=2**26 - self._busy_ms,
                    memory_mb_ms=self._busy_ms * 64,
                    busy_ms=self._busy_ms,
                )
                reports = [AttemptReport(key, usage) for key in self.held.values()]
                orders = await self._timed("report", self._gateway.report(reports))
                if orders is not None:
                    self._times.counts["renewals"] += len(reports) - len(orders.lost)
                    for attempt_id in [*orders.lost, *orders.stop]:
                        self._times.counts["lost or stopped"] += 1
                        self.held.pop(attempt_id, None)
            if beats % REGISTER_EVERY == 0:
                await self._timed("register", self._gateway.register(self._info))

    async def _take(self) -> None:
        """Lease when there is a signal or room, and every five seconds."""
        await self.may_take.wait()
        async with self._gateway.listen() as listener:
            while True:
                await self._take_all()
                await self._wait(listener)

    async def _wait(self, listener: Listener) -> None:
        signalled = asyncio.create_task(listener.wait(frozenset({WORK, STOP}), POLL_SECONDS))
        freed = asyncio.create_task(self._freed.wait())
        await asyncio.wait({signalled, freed}, return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        freed.cancel()
        self._freed.clear()

    async def _take_all(self) -> None:
        while (slots := self._load.slots - len(self.held)) > 0:
            capacity = Capacity(CPUS, MEMORY_MB, slots, total=(CPUS, MEMORY_MB))
            call = self._gateway.lease(capacity, idle=not self.held)
            orders = await self._timed("lease", call)
            if not orders:
                break
            self._times.counts["leased"] += len(orders)
            for order in orders:
                self._leased(order.key.run_id)
                self.held[order.key.id] = order.key
                self._start(order)

    def _start(self, order: AttemptOrder) -> None:
        """Each attempt starts by itself, while more are leased."""
        task = asyncio.create_task(self._timed("start", self._gateway.start(order.key)))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _put_out(self) -> None:
        """One commit for all attempts, as the group commit of a runner makes it."""
        while True:
            await asyncio.sleep(self._load.row_seconds)
            batches = []
            for key in self.held.values():
                self._batches[key.id] += 1
                line = NewLogEntry(2, key.number, LINE, int(time.time() * 1000))
                rows, number = [ROW] * self._load.rows, self._batches[key.id]
                batches.append(AttemptBatch(key.run_id, key.id, rows, None, [line], number))
            if batches and await self._timed("commit", self._gateway.rows.commit(batches)):
                self._times.counts["rows"] += len(batches) * self._load.rows

    async def end_all(self) -> None:
        """End all attempts, four at a time."""
        keys, self.held = [*self.held.values()], {}
        self.may_take.clear()

        async def end(share: list[AttemptKey]) -> None:
            for key in share:
                ended = AttemptEnd(SUCCESS, AttemptUsage(busy_ms=self._busy_ms))
                await self._timed("end", self._gateway.end(key, ended))

        await asyncio.gather(*(end(keys[part::4]) for part in range(4)))

    async def end_one(self) -> None:
        """End one attempt, so that there is room for another."""
        if self.held:
            _, key = self.held.popitem()
            ended = AttemptEnd(SUCCESS, AttemptUsage(busy_ms=self._busy_ms))
            await self._timed("end", self._gateway.end(key, ended))

    async def close(self) -> None:
        """Leave without a word, as a machine that is switched off."""
        tasks = [*self._tasks, *self._starting]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, FykeError):
                await task
