"""What the installation does for one runner: ``NodeGateway`` over its own stores.

A runner beside the server is served in its own process, one on another machine by a gateway, with
the same code.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import structlog

from fyke.contracts.blobs import Blobs
from fyke.contracts.results import Results
from fyke.contracts.signals import Listener, Signals
from fyke.contracts.state import Storage, Transaction
from fyke.domain.logs import system
from fyke.domain.nodes.contact import IsCutOff, StateContact, count_servers, never_cut_off
from fyke.domain.nodes.file_places import FilePlaces
from fyke.domain.nodes.files import InstallationFiles
from fyke.domain.nodes.held import HeldAttempt, HeldAttempts
from fyke.domain.nodes.leaving import forget_itself, note_stopped
from fyke.domain.nodes.orders import LeaseOrders
from fyke.domain.nodes.presence import check_runner
from fyke.domain.nodes.reminder import LeaseReminder
from fyke.domain.nodes.rows import CommitBatches, NodeRows
from fyke.domain.nodes.settings_versions import for_nodes
from fyke.domain.nodes.site_sharing import SiteExchange
from fyke.domain.results.caps import cut_line
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.environment_archives import EnvironmentArchives
from fyke.domain.runs.environments import VersionEnvironments
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS, placement_of
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.runs.leasing import lease_waiting
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.sampling import SampleTimes
from fyke.domain.runs.transitions import Rules
from fyke.domain.secrets.inject import RunSecrets
from fyke.errors import FykeError, InvalidRequest, NotStorable, StaleLease
from fyke.kit.clock import Clock
from fyke.kit.ids import run_number
from fyke.kit.sealing import Sealer
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport, RunnerOrders
from fyke.model.log import NewLogEntry
from fyke.model.node import (
    AttemptOrder,
    ContactState,
    NodeState,
    PreparationOrder,
    Registered,
)
from fyke.model.node_registry import Node
from fyke.model.placement import DEFAULT_POOL, Placement
from fyke.model.results import LAST_BATCH, AttemptBatch
from fyke.model.run import AttemptKey, End, Run, RunLimits
from fyke.model.runner import AttemptUsage, Capacity, Lease, RunnerInfo
from fyke.model.secret import InjectedSecrets
from fyke.model.sites import SiteShares, SiteUse
from fyke.model.worker import VersionEnvironment
from fyke.reasons import Detail, Reason, ReasonCode

KEEP_RUNNERS_MS = 7 * 24 * 3600 * 1000  # those of other places, while they are silent
LAST_LINE = 1  # the number of the batch with the last line of a run

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NodeStores:
    """What the services of all runners have in common. ``commit`` is that of the results, unless it
    is shared; ``report`` is shared or None. ``left`` is called when a lease has left attempts to
    machines with their environment, with the time in ms after which they are for all; without it
    each service wakes its own runner then. ``others_in_pool``: how many other runners each pool had
    when the latest one of it has registered. ``traces``: runs may have one, which their Workers are
    given.
    """

    storage: Storage
    results: Results
    blobs: Blobs
    signals: Signals
    rules: Rules
    sealer: Sealer
    clock: Clock
    lease_seconds: float
    sites: SiteExchange
    sample_times: SampleTimes = field(default_factory=SampleTimes)
    commit: CommitBatches | None = None
    report: Callable[[Sequence[AttemptReport]], Awaitable[RunnerOrders]] | None = None
    left: Callable[[int], None] | None = None
    others_in_pool: dict[str, int] = field(default_factory=dict)
    traces: bool = False

    @property
    def lease_ms(self) -> int:
        return int(self.lease_seconds * 1000)


@dataclass(frozen=True, slots=True)
class RunnerName:
    """One start of a runner (``id``) on a machine (``node``). For ``place`` see ``RunnerInfo``.
    ``pool`` and ``labels`` are for a machine that is no node. ``join_id`` is the join that a node
    comes from: it leases nothing once its name has another join or runner.
    """

    id: str
    node: str
    place: str
    pool: str = DEFAULT_POOL
    labels: Mapping[str, str] = field(default_factory=dict)
    join_id: str = ""


@dataclass(frozen=True, slots=True)
class _Leased:
    """What one lease has found. ``left_ms`` is None when it was refused."""

    left_ms: int | None = 0
    took_all: bool = False
    left_none: bool = False
    orders: list[tuple[Run, AttemptOrder]] = field(default_factory=list)
    without_version: list[Lease] = field(default_factory=list)


class NodeService:
    """Serves one runner. ``is_cut_off`` is that of ``StateContact``."""

    def __init__(
        self,
        runner: RunnerName,
        stores: NodeStores,
        is_cut_off: IsCutOff = never_cut_off,
        *,
        joined: bool = False,
    ) -> None:
        """``joined``: the runner is that of a node, whose state the operator decides."""
        self._runner = runner
        self._joined = joined
        self._info: RunnerInfo | None = None  # as it has registered here
        self.saw_all = self.left_none = False  # see ``ServedNode``
        self._reminder = LeaseReminder()
        self._actor = f"runner {runner.id}"
        self._stores = stores
        self._storage = stores.storage
        self._contact = StateContact(is_cut_off)
        self._attempts = Attempts(stores.storage, stores.results, stores.rules, stores.sample_times)
        self._environments = VersionEnvironments(stores.storage, joined=joined)
        self._secrets = RunSecrets(stores.sealer)
        self._held = HeldAttempts(stores.storage, runner.id, stores.clock, stores.lease_seconds)
        self.rows = NodeRows(stores.results, self._held.is_active, stores.commit)
        # a file that is missing here may be in the data folder of another machine
        places = FilePlaces(stores.storage, stores.blobs, runner.id, replaces_lost=False)
        last_pages = LastPages(stores.storage, stores.blobs)
        self.files = InstallationFiles(stores.blobs, last_pages, places)
        self.archives = EnvironmentArchives(stores.storage, stores.blobs, runner.id)

    # --- the runner -------------------------------------------------------------------------------

    def listen(self) -> AbstractAsyncContextManager[Listener]:
        """See ``NodeGateway.listen``."""
        return self._reminder.listen(self._stores.signals)

    async def contact(self) -> ContactState:
        """See ``NodeGateway.contact``."""
        return await self._contact.state()

    async def replace_earlier(self) -> int:
        """See ``NodeGateway.replace_earlier``."""
        own = self._runner
        ended = await self._attempts.end_of_earlier_runners(own.place, own.id)

        def forget(tx: Transaction) -> None:
            tx.runs.drop_earlier_runners(
                own.id,
                own.place,
                own.node,
                silent_before=tx.now - RUNNER_SILENCE_MS,
                unused_before=tx.now - KEEP_RUNNERS_MS,
            )

        await self._storage.write(forget)
        return ended

    async def register(self, info: RunnerInfo) -> Registered:
        """See ``NodeGateway.register``."""
        own, seconds = self._runner, self._stores.lease_seconds

        def work(tx: Transaction) -> tuple[str, int, int, Registered, bool]:
            is_new = self._info is None and not tx.runs.has_runner(
                own.id, tx.now - RUNNER_SILENCE_MS
            )
            node = self._node(tx)
            state = node.state if node is not None else NodeState.READY
            draining = info.draining or state is not NodeState.READY
            placed = self._placed(info, node)
            others, elsewhere = tx.runs.put_runner(
                replace(
                    placed,
                    id=own.id,
                    node=own.node,
                    place=own.place,
                    heartbeat_at=tx.now,
                    draining=draining,
                )
            )
            left = None
            if node is not None and state is NodeState.DRAINING:
                left = max(0, node.drain_until - tx.now)
            number, egress, gateways = tx.settings.newest_number(), None, None
            if number != info.settings_version:
                number, egress, gateways = for_nodes(tx, self._stores.sealer)
            registered = Registered(state, seconds, left, number, egress, 1 + elsewhere, gateways)
            has_come = is_new and elsewhere > 0
            return placed.pool, others, count_servers(tx), registered, has_come

        found = await self._storage.write(work)
        pool, others, self._contact.servers, registered, has_come = found
        self._stores.others_in_pool[pool] = others
        self._info = info
        if has_come:
            await self._stores.sites.announce()
        return registered

    def _node(self, tx: Transaction) -> Node | None:
        return tx.nodes.get(self._runner.node) if self._joined else None

    def _current_node(self, tx: Transaction) -> Node | None:
        """The same; raise ``Forbidden`` when its name has another join or runner now."""
        node = self._node(tx)
        if self._runner.join_id:
            check_runner(node, self._runner.join_id, self._runner.id)
        return node

    def _placed(self, info: RunnerInfo, node: Node | None) -> RunnerInfo:
        """With pool and labels as the installation knows them, whatever the runner says."""
        own = node or self._runner
        return replace(info, pool=own.pool, labels=own.labels)

    def _placement(self, node: Node | None) -> Placement | None:
        """Which runs the runner takes; None if none. What has not registered yet runs nothing that
        it must not: the runner itself refuses that.
        """
        if self._info is not None:
            return placement_of(self._placed(self._info, node))
        own = node or self._runner
        return Placement(own.pool, tuple(sorted(own.labels.items())))

    async def share_sites(self, use: SiteUse, *, urgent: bool = False) -> SiteShares:
        """See ``NodeGateway.share_sites``."""
        return await self._stores.sites.share(self._runner.id, use, urgent=urgent)

    async def leave(self, *, forget: bool = False) -> None:
        """See ``NodeGateway.leave``."""
        own = self._runner

        def work(tx: Transaction) -> None:
            tx.runs.drop_runner(own.id)
            if self._joined:
                note_stopped(tx, own.node, own.id)
            if forget and self._joined:
                forget_itself(tx, own.node, own.id)

        await self._storage.write(work)

    # --- attempts ---------------------------------------------------------------------------------

    async def lease(self, capacity: Capacity, *, idle: bool) -> list[AttemptOrder]:
        """See ``NodeGateway.lease`` and ``ServedNode``."""
        info = self._info
        self.saw_all = self.left_none = False

        def work(tx: Transaction) -> _Leased:
            node = self._current_node(tx)
            if node is not None and node.state is not NodeState.READY:
                return _Leased(left_ms=None)  # its runner does not know yet
            placement = self._placement(node)
            if placement is None:
                return _Leased()  # as all of its kind
            until = tx.now + self._stores.lease_ms
            own = self._runner
            leases = lease_waiting(
                tx,
                own.id,
                capacity,
                until,
                idle=idle,
                node=own.node,
                placement=placement,
                spread=self._stores.others_in_pool.get(placement.pool, 0) > 0,
                environments=info.environments if info is not None else (),
            )
            leased = _Leased(tx.runs.left_ms, tx.runs.took_all, tx.runs.left_none)
            ordering = LeaseOrders(tx, traces=self._stores.traces)
            for lease in leases:
                if order := ordering.order(lease):
                    leased.orders.append((lease.run, order))
                else:
                    leased.without_version.append(lease)
            return leased

        began = self._stores.clock.monotonic()
        leased = await self._storage.write(work)
        has_ended_some = bool(leased.without_version)
        self.saw_all = leased.left_ms == 0 and not has_ended_some
        self.left_none = leased.left_none and not has_ended_some
        for run, order in leased.orders:
            held = HeldAttempt(order.key, run.account_id, run.worker_id, order.version.id)
            self._held.add(held, began)
        if leased.left_ms:
            (self._stores.left or self._reminder.remind)(leased.left_ms)
        for lease in leased.without_version:
            await self._end_without_version(lease.attempt.key)
        found = [order for _, order in leased.orders]
        if found and leased.took_all and not has_ended_some:
            found[-1] = replace(found[-1], is_last=True)
        return found

    async def _end_without_version(self, key: AttemptKey) -> None:
        ended = AttemptEnd(end_of(Reason(ReasonCode.VERSION_MISSING)), AttemptUsage())
        try:
            await self._after_end(await self._attempts.ended(key, ended, actor=self._actor))
        except FykeError as error:  # the others are still started, and this lease expires
            log.error("attempt_without_version_not_ended", attempt=key.id, error=str(error))

    async def active(self) -> list[AttemptKey]:
        """See ``NodeGateway.active``."""
        found = await self._storage.read(lambda tx: tx.runs.active_attempts(self._runner.id))
        return [attempt.key for attempt in found]

    async def start(self, key: AttemptKey) -> InjectedSecrets:
        """See ``NodeGateway.start`` and ``ServedNode``."""
        held, own = await self._held.of(key), self._runner

        def work(tx: Transaction) -> tuple[list[str], InjectedSecrets]:
            self._current_node(tx)
            lost = self._attempts.start(tx, key, own.id, own.node)
            return lost, self._secrets.take(tx, held.account_id, held.worker_id)

        lost, secrets = await self._storage.write(work)
        await self._attempts.release(lost)
        return secrets

    async def report(self, reports: Sequence[AttemptReport]) -> RunnerOrders:
        """See ``NodeGateway.report``."""
        if (shared := self._stores.report) is not None:
            orders = await shared(reports)
        else:
            orders = await self._attempts.report(reports, self._stores.lease_ms)
        for attempt_id in orders.lost:
            self._held.drop(attempt_id)
        return orders

    async def reserve_browser(self, key: AttemptKey, cpus: float, memory_mb: int) -> RunLimits:
        """See ``NodeGateway.reserve_browser``. A node has settings of its own, but what runs are
        charged for is at most that which the installation allows.
        """
        if self._joined:
            rules = self._stores.rules
            cpus = min(cpus, rules.browser_cpus)
            memory_mb = min(memory_mb, rules.browser_memory_max_mb)
            if not cpus or not memory_mb:
                raise InvalidRequest("The installation gives Workers no browser")
        return await self._attempts.reserve_browser(key, self._runner.id, cpus, memory_mb)

    async def limit_reached(self, key: AttemptKey, end: End) -> None:
        """See ``NodeGateway.limit_reached``."""
        await self._attempts.limit_reached(key, end)

    async def end(self, key: AttemptKey, ended: AttemptEnd) -> AfterAttempt | None:
        """See ``NodeGateway.end`` and ``ServedNode``."""
        held = await self._find(key)
        if held is None:
            return None
        if held.has_ended:  # its rows are closed
            ended = replace(ended, closed_rows=0)
        run = await self._attempts.ended(key, ended, actor=self._actor, admit=self._current_node)
        after = await self._after_end(run)
        self._forget(key.id)
        return after

    async def give_back(
        self, key: AttemptKey, fault: Detail, *, unstarted_only: bool = False
    ) -> AfterAttempt | None:
        """See ``NodeGateway.give_back``."""
        held = await self._find(key)
        if held is None:
            return None
        if not unstarted_only and not held.has_ended:
            line = await self._attempts.returned_line(key, fault)
            await self._write_line(key.run_id, key.id, LAST_BATCH, line)
        given_back = await self._attempts.give_back(
            key,
            fault,
            actor=self._actor,
            unstarted_only=unstarted_only,
            is_closed=held.has_ended,
        )
        after = await self._after_end(given_back.run if given_back is not None else None)
        self._forget(key.id)
        if after is None or given_back is None:
            return None
        return replace(after, pause_ms=given_back.pause_ms)

    async def _find(self, key: AttemptKey) -> HeldAttempt | None:
        """None when the runner neither has the attempt nor was the last one that had it: then its
        rows must not be closed.
        """
        try:
            return await self._held.of(key)
        except StaleLease:
            self._forget(key.id)
            return None

    def _forget(self, attempt_id: str) -> None:
        self._held.drop(attempt_id)
        self.rows.forget(attempt_id)

    async def _after_end(self, run: Run | None) -> AfterAttempt | None:
        """What has followed; the last line of a run that is over is written."""
        if run is None:
            return None
        if run.state.terminal:
            group, succeeded = run_number(run.created_at), run.subtasks_succeeded
            failed = run.subtasks - succeeded
            line = system.all_completed(group, run.subtasks, succeeded, failed, 0)
            await self._write_line(run.id, run.id, LAST_LINE, line)
        return AfterAttempt(run.state.terminal)

    async def _write_line(
        self, run_id: str, attempt_id: str, number: int, line: NewLogEntry
    ) -> None:
        """Write a line of the platform, once. Of a run that was deleted meanwhile nothing is
        written, and a line that the database refuses does not keep the attempt from ending.
        """
        now = self._stores.clock.now_ms()
        entry = replace(line, content=cut_line(line.content), timestamp=now)
        batch = AttemptBatch(run_id, attempt_id, log=[entry], number=number)
        try:
            await self.rows.commit([batch])
        except NotStorable as error:
            log.error("line_not_written", run=run_id, attempt=attempt_id, error=str(error))
        if attempt_id == run_id:
            self.rows.forget(run_id)

    # --- environments -----------------------------------------------------------------------------

    async def note_environment(
        self, key: AttemptKey, known: VersionEnvironment | None, reason: Reason | None
    ) -> None:
        """See ``NodeGateway.note_environment``."""
        held = await self._held.of(key)
        if held.version_id:
            await self._environments.note(held.version_id, known, reason)

    async def take_preparation(self) -> PreparationOrder | None:
        """See ``NodeGateway.take_preparation``."""
        return await self._environments.take(self._runner.id)

    async def end_preparation(self, version_id: str, result: Reason | Detail | None) -> None:
        """See ``NodeGateway.end_preparation``."""
        if isinstance(result, Detail):
            await self._environments.interrupted(version_id, self._runner.id, result)
        else:
            await self._environments.ended(version_id, self._runner.id, result)
