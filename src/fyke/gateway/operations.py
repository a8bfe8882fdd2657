"""Serves what a node asks, by the contract of runners; checks that it is the node's own business.

A node names attempts by their keys. A key counts only if this node has the lease of the attempt
with that token; the other members are taken from the lease, not from the node. So a node that was
taken over reads and changes nothing of other nodes' attempts. An end or a return may be repeated
when the node no longer has the lease: that is left to the contract, which checks every key too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import msgspec
import structlog

from fyke.contracts.node import NodeGateway
from fyke.domain.results.caps import LOG_LINE_BYTES
from fyke.domain.results.intake import MAX_HEADER_CHARS
from fyke.errors import FykeError, InvalidRequest, StaleLease
from fyke.gateway.bounds import check_info
from fyke.gateway.file_urls import NodeFileAccess
from fyke.gateway.leased_orders import LeasedOrders, end_of_too_large
from fyke.kit.clock import Clock
from fyke.model.attempt import AfterAttempt, AttemptReport, RunnerOrders, SiteTraffic
from fyke.model.last_page import MAX_FILE_BYTES, MAX_TEXT, LastPage
from fyke.model.log import LogType, NewLogEntry
from fyke.model.node import AttemptOrder, Registered
from fyke.model.results import LAST_BATCH, MAX_HEADERS, MAX_ROW_BYTES, AttemptBatch
from fyke.model.run import AttemptKey, Outcome
from fyke.model.runner import AttemptUsage
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
    StartAttempt,
    StorePage,
    TakePreparation,
)

MAX_STORED_ROW = 2 * MAX_ROW_BYTES  # with secrets masked, it may be longer than it was pushed
MAX_AGE_MS = 24 * 3600 * 1000  # of a log line that a node has kept
MAX_COUNT = 2**62  # of a counter that a node reports
LIMITS = (Outcome.TRAFFIC_CAP, Outcome.ROW_CAP)  # that a runner finds out

log = structlog.get_logger()

_json_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class NodeOperations:
    """The operations of one node on one connection. ``load`` it before the first request."""

    def __init__(
        self, gateway: NodeGateway, clock: Clock, access: NodeFileAccess | None = None
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._held: dict[str, AttemptKey] = {}
        self._orders = LeasedOrders()
        own, files, rows = self._own, gateway.files, gateway.rows
        self._operations: dict[type, Callable[[Any], Awaitable[Any]]] = {
            ReplaceEarlier: lambda r: gateway.replace_earlier(),
            RegisterNode: self._register,
            LeaveNode: lambda r: gateway.leave(),
            LeaseAttempts: self._lease,
            ListAttempts: self._list,
            StartAttempt: lambda r: gateway.start(own(r.key)),
            ReportAttempts: self._report,
            ReserveBrowser: lambda r: gateway.reserve_browser(own(r.key), r.cpus, r.memory_mb),
            ReachLimit: self._reach_limit,
            EndAttempt: self._end,
            GiveAttemptBack: self._give_back,
            CommitRows: self._commit,
            CloseRows: lambda r: rows.close(own(r.key).id),
            CountRows: lambda r: rows.totals(own(r.key).run_id),
            NoteEnvironment: lambda r: gateway.note_environment(own(r.key), r.known, r.reason),
            TakePreparation: lambda r: gateway.take_preparation(),
            EndPreparation: lambda r: gateway.end_preparation(r.version_id, r.reason or r.fault),
            CheckPageRoom: lambda r: files.page_room(own(r.key)),
            DiscardPage: lambda r: files.discard_page(own(r.key)),
        }
        if access is not None:
            self._operations |= {
                FindBundle: lambda r: access.bundle(
                    self._own_file(r.owner), r.digest, direct=r.direct
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
        that the node does not have, ``InvalidRequest`` for what no runner sends.
        """
        operation = self._operations.get(type(request))
        if operation is None:
            raise InvalidRequest("This gateway does not serve this request")
        return await operation(request)

    async def _register(self, request: RegisterNode) -> Registered:
        check_info(request.info)
        return await self._gateway.register(request.info)

    # --- attempts -----------------------------------------------------------------------------

    def _own(self, key: AttemptKey) -> AttemptKey:
        """The key by the lease. Raise ``StaleLease``."""
        held = self._held.get(key.id)
        if held is None or held.token != key.token:
            raise StaleLease
        return held

    def _own_or_ended(self, key: AttemptKey) -> AttemptKey:
        return self._own(key) if key.id in self._held else key

    def _own_file(self, owner: FileOwner) -> FileOwner:
        """The owner by the lease. Preparations are checked by the contract alone."""
        return owner if owner.attempt is None else FileOwner(self._own(owner.attempt))

    async def _lease(self, request: LeaseAttempts) -> list[AttemptOrder]:
        """The orders that fit into one answer; the node asks for the others once it has started
        these.
        """
        if not self._orders:
            orders = await self._gateway.lease(request.capacity, idle=request.idle)
            self._orders.add(orders)
            self._held |= {order.key.id: order.key for order in orders}
        fitting, too_large = self._orders.take()
        for order in too_large:
            await self._end_too_large(order)
        return fitting

    async def _end_too_large(self, order: AttemptOrder) -> None:
        del self._held[order.key.id]
        log.warning("order_too_large", attempt=order.key.id)
        try:
            await self._gateway.end(order.key, end_of_too_large(order))
        except FykeError as error:  # the others are still sent, and this lease expires
            log.error("attempt_with_a_large_order_not_ended", error=str(error))

    async def _list(self, _: ListAttempts) -> list[AttemptKey]:
        await self.load()
        return [*self._held.values()]

    async def _reach_limit(self, request: ReachLimit) -> None:
        key = self._own(request.key)
        if request.end.outcome not in LIMITS:
            raise InvalidRequest("A run does not end for this reason because of a limit")
        await self._gateway.limit_reached(key, request.end)

    async def _end(self, request: EndAttempt) -> AfterAttempt | None:
        if request.ended.end.outcome is Outcome.RETURNED:
            raise InvalidRequest("An attempt that is returned does not end")
        _check_counts(request.ended.usage, request.ended.sites)
        if request.ended.page is not None:
            _check_page(request.ended.page)
        # rows are counted here, whatever the node says
        ended = replace(request.ended, closed_rows=None)
        after = await self._gateway.end(self._own_or_ended(request.key), ended)
        self._held.pop(request.key.id, None)
        return after

    async def _give_back(self, request: GiveAttemptBack) -> AfterAttempt | None:
        key, only = self._own_or_ended(request.key), request.unstarted_only
        after = await self._gateway.give_back(key, request.fault, unstarted_only=only)
        self._held.pop(request.key.id, None)
        return after

    async def _report(self, request: ReportAttempts) -> RunnerOrders:
        own, foreign = list[AttemptReport](), set[str]()
        for report in request.reports:
            _check_counts(report.usage, report.sites)
            try:
                own.append(replace(report, key=self._own(report.key)))
            except StaleLease:
                foreign.add(report.key.id)
        orders = await self._gateway.report(own)
        for attempt_id in orders.lost:
            self._held.pop(attempt_id, None)
        return replace(orders, lost=orders.lost | foreign)

    # --- rows and log lines -------------------------------------------------------------------

    async def _commit(self, request: CommitRows) -> list[bool]:
        """Store the batches of the node's attempts; those of others count as closed."""
        are_own = [self._holds(batch) for batch in request.batches]
        own = [batch for batch, is_own in zip(request.batches, are_own, strict=True) if is_own]
        for batch in own:
            _check(batch)
            group = self._held[batch.attempt_id].number  # whatever the node says
            batch.log = [self._dated(entry, group, request.now) for entry in batch.log]
        stored = iter(await self._gateway.rows.commit(own) if own else [])
        return [is_own and next(stored) for is_own in are_own]

    def _holds(self, batch: AttemptBatch) -> bool:
        held = self._held.get(batch.attempt_id)
        return held is not None and held.run_id == batch.run_id

    def _dated(self, entry: NewLogEntry, group: str, now: int) -> NewLogEntry:
        """The line with the time of this clock: as long ago as the node says, by its own."""
        age = min(max(0, now - entry.timestamp), MAX_AGE_MS)
        return replace(entry, group=group, timestamp=self._clock.now_ms() - age)


def _check_counts(usage: AttemptUsage, sites: Sequence[SiteTraffic] | None) -> None:
    """Raise ``InvalidRequest`` for counters that no runner reports: they determine the costs."""
    records: list[AttemptUsage | SiteTraffic] = [usage, *(sites or ())]
    for record in records:
        values = (getattr(record, field.name) for field in fields(record))
        if not all(0 <= value <= MAX_COUNT for value in values if isinstance(value, int)):
            raise InvalidRequest("A counter is negative, or too large")


def _check_page(page: LastPage) -> None:
    """Raise ``InvalidRequest`` for a page that no runner has made."""
    sizes = {file.kind: file.size for file in page.files}
    is_large = any(not 0 <= size <= MAX_FILE_BYTES[kind] for kind, size in sizes.items())
    if is_large or len(sizes) < len(page.files):
        raise InvalidRequest("A page has files that are too large, or too many")
    if len(page.url) > MAX_TEXT or len(page.title) > MAX_TEXT:
        raise InvalidRequest("The address or the title of a page is too long")


def _check(batch: AttemptBatch) -> None:
    """Raise ``InvalidRequest`` for what no runner puts out."""
    if not 0 < batch.number < LAST_BATCH:
        raise InvalidRequest("A batch has no number, so it may be stored twice")
    for row in batch.rows:
        if len(row.data) > MAX_STORED_ROW:
            raise InvalidRequest("A row is too large")
        try:
            _json_object.decode(row.data)
            if not row.data.isascii():
                row.data.decode()  # which the parser does not check
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidRequest("A row is not a JSON object") from None
    kinds = set(LogType)
    for entry in batch.log:
        is_bad = "\0" in entry.content or entry.type not in kinds
        if is_bad or len(entry.content.encode()) > LOG_LINE_BYTES:
            raise InvalidRequest("A log line is too long, has a NUL, or is of an unknown kind")
    headers = batch.headers or ()
    size = sum(len(h.label) + len(h.key) + len(h.format) for h in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_CHARS:
        raise InvalidRequest("The headers are too long, or too many")
