"""Serves what a node asks, by the contract of runners; checks that it is the node's own business.

A node names attempts by their keys. A key counts only if this node has the lease of the attempt
with that token; the other members are taken from the lease, not from the node. So a node that was
taken over reads and changes nothing of other nodes' attempts; but it may lease all that waits, as
every node may. An end or a return may be repeated when the node no longer has the lease: that is
left to the contract, which checks every key too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from fyke.contracts.node import ServedNode
from fyke.errors import FykeError, InvalidRequest, StaleLease
from fyke.gateway.bounds import (
    ImpossibleRequest,
    bounded_capacity,
    check_batch,
    check_browser_limits,
    check_end,
    check_info,
    check_report,
    check_said,
    check_site_use,
)
from fyke.gateway.file_urls import NodeFileAccess
from fyke.gateway.leased_orders import LeasedOrders, end_of_too_large
from fyke.gateway.node_output import NodeOutput
from fyke.kit.clock import Clock
from fyke.model.attempt import AfterAttempt, AttemptReport, RunnerOrders
from fyke.model.log import NewLogEntry
from fyke.model.node import AttemptOrder, Registered
from fyke.model.results import AttemptBatch
from fyke.model.run import AttemptKey, Outcome, RunLimits
from fyke.model.runner import Capacity, RunnerInfo
from fyke.model.secret import InjectedSecrets
from fyke.model.sites import SiteShares
from fyke.wire.nodes import (
    AnyRequest,
    CheckPageRoom,
    CloseRows,
    CommitRows,
    CountRows,
    DiscardPage,
    EndAttempt,
    EndPreparation,
    FileOwner,
    FindBundle,
    FindEnvironment,
    GiveAttemptBack,
    LeaseAttempts,
    LeaveNode,
    ListAttempts,
    NoteEnvironment,
    ReachLimit,
    RegisterNode,
    ReplaceEarlier,
    ReportAttempts,
    ReserveBrowser,
    ShareSites,
    StartAttempt,
    StorePage,
    TakePreparation,
)

MAX_AGE_MS = 24 * 3600 * 1000  # of a log line that a node has kept
MAX_HELD = 1024  # attempts of a node, whatever its size
LEASE_SLOTS = 16  # attempts of one lease: their orders, with their inputs, are in memory
REGISTER_SECONDS = 5.0  # for which a lease waits until the node has said what it is
# these check the node in the transaction that they need anyway
CHECKED = (LeaseAttempts, StartAttempt, EndAttempt)
LIMITS = (Outcome.TRAFFIC_CAP, Outcome.ROW_CAP)  # that a runner finds out

log = structlog.get_logger()


async def _no_check() -> None:
    return


class NodeOperations:
    """The operations of one node on one connection. ``load`` it before the first request.
    ``output`` is what the node has put out on all its connections. ``check`` raises ``Forbidden``
    when another one has the name of the node. It is called for an answer to one of ``CHECKED``
    without a call of ``gateway`` that checks that, and is left to the caller before any other
    request.
    """

    def __init__(
        self,
        gateway: ServedNode,
        clock: Clock,
        access: NodeFileAccess | None = None,
        output: NodeOutput | None = None,
        check: Callable[[], Awaitable[None]] = _no_check,
    ) -> None:
        self._gateway = gateway
        self._check = check
        self._clock = clock
        self._output = output or NodeOutput()
        self._held: dict[str, AttemptKey] = {}
        self._orders = LeasedOrders()
        self._leasing = asyncio.Lock()
        self.none_left = False  # after the latest lease, for nodes of its kind
        self.info: RunnerInfo | None = None  # as it has registered on this connection
        self._registered = asyncio.Event()
        own, files, rows = self._own, gateway.files, gateway.rows
        self._operations: dict[type, Callable[[Any], Awaitable[Any]]] = {
            ReplaceEarlier: lambda r: gateway.replace_earlier(),
            RegisterNode: self._register,
            ShareSites: self._share_sites,
            LeaveNode: lambda r: gateway.leave(forget=r.forget),
            LeaseAttempts: self._lease,
            ListAttempts: self._list,
            StartAttempt: self._start,
            ReportAttempts: self._report,
            ReserveBrowser: self._reserve_browser,
            ReachLimit: self._reach_limit,
            EndAttempt: self._end,
            GiveAttemptBack: self._give_back,
            CommitRows: self._commit,
            CloseRows: lambda r: rows.close(own(r.key).id),
            CountRows: lambda r: rows.totals(own(r.key).run_id),
            NoteEnvironment: self._note_environment,
            TakePreparation: lambda r: gateway.take_preparation(),
            EndPreparation: self._end_preparation,
            CheckPageRoom: lambda r: files.page_room(own(r.key)),
            DiscardPage: lambda r: files.discard_page(own(r.key)),
        }
        if access is not None:
            self._operations |= {
                FindBundle: lambda r: access.bundle(
                    self._own_file(r.owner), r.digest, direct=r.direct
                ),
                FindEnvironment: lambda r: access.environment(
                    self._own_file(r.owner), r.keys, direct=r.direct
                ),
                StorePage: lambda r: access.page(own(r.key), r.sizes),
            }

    async def load(self) -> None:
        """Find out which attempts the node has. Those that were not sent to it are not any more:
        it gives back what it does not know.
        """
        self._orders.take_all()
        self._held = {key.id: key for key in await self._gateway.active()}

    async def serve(self, request: AnyRequest) -> Any:
        """The answer to a request, of the type that it names. Raise ``StaleLease`` for an attempt
        that the node does not have, ``ImpossibleRequest`` for what no runner sends.
        """
        operation = self._operations.get(type(request))
        if operation is None:
            raise InvalidRequest("This gateway does not serve this request")
        return await operation(request)

    async def _register(self, request: RegisterNode) -> Registered:
        check_info(request.info)
        registered = await self._gateway.register(request.info)
        self.info = request.info
        self._registered.set()
        return registered

    async def _share_sites(self, request: ShareSites) -> SiteShares:
        check_site_use(request.use)
        return await self._gateway.share_sites(request.use, urgent=request.urgent)

    # --- attempts -----------------------------------------------------------------------------

    def holds(self, attempt_id: str) -> bool:
        """Whether the node has the lease of this attempt, as far as its reports were answered."""
        return attempt_id in self._held

    def _own(self, key: AttemptKey) -> AttemptKey:
        """The key by the lease. Raise ``StaleLease``."""
        held = self._held.get(key.id)
        if held is None or held.token != key.token:
            raise StaleLease
        return held

    def _own_or_ended(self, key: AttemptKey) -> AttemptKey | None:
        """The key by the lease, or that of an attempt which the node does not have any more; None
        when it has another lease of this attempt.
        """
        held = self._held.get(key.id)
        if held is None:
            return key
        return held if held.token == key.token else None

    def _own_file(self, owner: FileOwner) -> FileOwner:
        """The owner by the lease. Preparations are checked by the contract alone."""
        return owner if owner.attempt is None else FileOwner(self._own(owner.attempt))

    async def _lease(self, request: LeaseAttempts) -> list[AttemptOrder]:
        """The orders that fit into one answer; the node asks for the others once it has started
        these. Nothing is leased for a node that has not said what it is.
        """
        info = await self._known_info()
        async with self._leasing:
            self.none_left = False
            if self._orders or info is None:
                await self._check()
            else:
                slots = min(LEASE_SLOTS, MAX_HELD - len(self._held))
                capacity = bounded_capacity(request.capacity, info, slots)
                orders = await self._gateway.lease(capacity, idle=request.idle)
                self.none_left = self._is_none_left(request, capacity, info, bool(orders))
                self._orders.add(orders)
                for order in orders:
                    self._held[order.key.id] = order.key
                    if order.is_empty:
                        self._output.begin(order.key.run_id)
            fitting, too_large = self._orders.take()
            for order in too_large:
                await self._end_too_large(order)
            return fitting

    def _is_none_left(
        self, request: LeaseAttempts, capacity: Capacity, info: RunnerInfo, found: bool
    ) -> bool:
        """Whether other nodes of this kind would find nothing: it has left nothing, or nothing is
        small enough for one that runs nothing.
        """
        if self._gateway.left_none and (capacity.browser_ready or not info.has_browser):
            return True
        is_whole = request.idle and _is_whole(capacity, info)
        return is_whole and not found and self._gateway.saw_all

    async def _known_info(self) -> RunnerInfo | None:
        """What the node is; None when it does not say so in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REGISTER_SECONDS):
                await self._registered.wait()
        return self.info

    async def _end_too_large(self, order: AttemptOrder) -> None:
        self._held.pop(order.key.id, None)  # a report may have said that it is lost
        log.warning("order_too_large", attempt=order.key.id)
        try:
            await self._gateway.end(order.key, end_of_too_large(order))
        except FykeError as error:  # the others are still sent, and this lease expires
            log.error("attempt_with_a_large_order_not_ended", error=str(error))

    async def _start(self, request: StartAttempt) -> InjectedSecrets:
        try:
            return await self._gateway.start(self._own(request.key))
        except StaleLease:
            await self._check()
            raise

    async def _list(self, _: ListAttempts) -> list[AttemptKey]:
        async with self._leasing:  # or what is leased meanwhile would be missing
            await self.load()
            return [*self._held.values()]

    async def _reserve_browser(self, request: ReserveBrowser) -> RunLimits:
        check_browser_limits(request.cpus, request.memory_mb)
        key = self._own(request.key)
        return await self._gateway.reserve_browser(key, request.cpus, request.memory_mb)

    async def _reach_limit(self, request: ReachLimit) -> None:
        key = self._own(request.key)
        if request.end.outcome not in LIMITS:
            raise ImpossibleRequest("A run does not end for this reason because of a limit")
        check_said(request.end)
        await self._gateway.limit_reached(key, request.end)

    async def _end(self, request: EndAttempt) -> AfterAttempt | None:
        key = self._own_or_ended(request.key)
        if key is None or key.id not in self._held:
            await self._check()
        check_end(request.ended)
        if key is None:
            return None
        # rows are counted here, whatever the node says
        ended = replace(request.ended, closed_rows=None)
        after = await self._gateway.end(key, ended)
        self._held.pop(key.id, None)
        if after is None:  # the contract may have found no attempt, and then has not checked
            await self._check()
        return after

    async def _give_back(self, request: GiveAttemptBack) -> AfterAttempt | None:
        check_said(request.fault)
        if (key := self._own_or_ended(request.key)) is None:
            return None
        only = request.unstarted_only
        after = await self._gateway.give_back(key, request.fault, unstarted_only=only)
        self._held.pop(request.key.id, None)
        return after

    async def _report(self, request: ReportAttempts) -> RunnerOrders:
        own, foreign = list[AttemptReport](), set[str]()
        for report in request.reports:
            check_report(report)
            try:
                own.append(replace(report, key=self._own(report.key)))
            except StaleLease:
                foreign.add(report.key.id)
        orders = await self._gateway.report(own)
        for attempt_id in orders.lost:
            self._held.pop(attempt_id, None)
        return replace(orders, lost=orders.lost | foreign)

    # --- environments -------------------------------------------------------------------------

    async def _note_environment(self, request: NoteEnvironment) -> None:
        check_said(request.known, request.reason)
        key = self._own(request.key)
        await self._gateway.note_environment(key, request.known, request.reason)

    async def _end_preparation(self, request: EndPreparation) -> None:
        check_said(request.reason, request.fault)
        await self._gateway.end_preparation(request.version_id, request.reason or request.fault)

    # --- rows and log lines -------------------------------------------------------------------

    async def _commit(self, request: CommitRows) -> list[bool]:
        """Store the batches of the node's attempts; those of others count as closed. Raise
        ``TooMuchOutput`` for runs with more rows than a run may have.
        """
        are_own = [self._holds(batch) for batch in request.batches]
        own = [batch for batch, is_own in zip(request.batches, are_own, strict=True) if is_own]
        for batch in own:
            check_batch(batch)
            group = self._held[batch.attempt_id].number  # whatever the node says
            batch.log = [self._dated(entry, group, request.now) for entry in batch.log]
        stored = iter(await self._store(own) if own else [])
        return [is_own and next(stored) for is_own in are_own]

    async def _store(self, batches: list[AttemptBatch]) -> list[bool]:
        rows, counted = self._gateway.rows, list[AttemptBatch]()
        try:
            for batch in batches:
                await self._output.admit(batch, rows.totals)
                counted.append(batch)
            stored = await rows.commit(batches)
            counted = [
                batch for batch, is_stored in zip(batches, stored, strict=True) if not is_stored
            ]
            return stored
        finally:
            for batch in counted:
                self._output.forget(batch)

    def _holds(self, batch: AttemptBatch) -> bool:
        held = self._held.get(batch.attempt_id)
        return held is not None and held.run_id == batch.run_id

    def _dated(self, entry: NewLogEntry, group: str, now: int) -> NewLogEntry:
        """The line with the time of this clock: as long ago as the node says, by its own."""
        age = min(max(0, now - entry.timestamp), MAX_AGE_MS)
        return replace(entry, group=group, timestamp=self._clock.now_ms() - age)


def _is_whole(capacity: Capacity, info: RunnerInfo) -> bool:
    """Whether a node that asks with this capacity runs nothing and has all that it registered, as
    far as it has said.
    """
    if capacity.slots <= 0 or (info.has_browser and not capacity.browser_ready):
        return False
    return capacity.cpus >= info.cpus and capacity.memory_mb >= info.memory_mb
