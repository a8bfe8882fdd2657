"""The installation of a runner on another machine: its operations, sent over the link.

A call whose answer was lost raises ``OutcomeUnknown``, and one without a connection
``Unavailable``: the caller makes it again, as during an outage of the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

from fyke.contracts.node import NodeFiles
from fyke.contracts.signals import Listener
from fyke.errors import FykeError, InvalidRequest, StaleLease, Unavailable
from fyke.kit.clock import Clock
from fyke.kit.stream_frames import MAX_MESSAGE, SendLane
from fyke.link.node_link import NodeLink
from fyke.link.notices import NodeNotices
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport, RunnerOrders
from fyke.model.node import (
    AttemptOrder,
    ContactState,
    PreparationOrder,
    Registered,
)
from fyke.model.results import AttemptBatch, RunTotals
from fyke.model.run import AttemptKey, End, RunLimits
from fyke.model.runner import Capacity, RunnerInfo
from fyke.model.secret import InjectedSecrets
from fyke.model.sites import SiteShares, SiteUse
from fyke.model.worker import VersionEnvironment
from fyke.reasons import Detail, Reason
from fyke.wire.nodes import (
    CloseRows,
    CommitRows,
    CountRows,
    EndAttempt,
    EndPreparation,
    GiveAttemptBack,
    LeaseAttempts,
    LeaveNode,
    ListAttempts,
    NodeRequest,
    NoteEnvironment,
    ReachLimit,
    RegisterNode,
    ReplaceEarlier,
    ReportAttempts,
    ReserveBrowser,
    ShareSites,
    StartAttempt,
    TakePreparation,
    encode,
)

CONTACT_SECONDS = 3.0  # contained in ``fyke.runner.lease_monitor.STOP_SECONDS``
ANSWERED_SECONDS = 1.0  # for so long an answer shows that there is contact
REPORT_BYTES = 2**20  # of a message with reports
ROWS_BYTES = 4 * 2**20  # of a message with rows, if each batch is smaller
_OVERHEAD = 128  # bytes of a row, a line or a column beside its texts, at most

A = TypeVar("A")


class RemoteGateway:
    """``NodeGateway`` over ``link``, which passes its notices and its connections on to
    ``notices``.
    """

    def __init__(
        self, link: NodeLink, notices: NodeNotices, files: NodeFiles, clock: Clock
    ) -> None:
        self._link = link
        self._notices = notices
        self._files = files
        self._keys: dict[str, AttemptKey] = {}  # of the attempts that the runner has
        self._refused_on: int | None = None  # the connection whose gateway does not share sites
        self._answered_at: float | None = None  # None when the latest call was not answered
        self._rows = RemoteRows(self, clock)

    @property
    def rows(self) -> RemoteRows:
        return self._rows

    @property
    def files(self) -> NodeFiles:
        return self._files

    async def ask(self, request: NodeRequest[A], lane: SendLane = SendLane.CONTROL) -> A:
        """Send a request; note whether it was answered."""
        try:
            answer = await self._link.ask(request, lane)
        except FykeError as error:
            self._note(is_answered=not isinstance(error, Unavailable))
            raise
        self._note(is_answered=True)
        return answer

    def key_of(self, attempt_id: str) -> AttemptKey:
        """Raise ``StaleLease`` for an attempt that the runner does not have."""
        try:
            return self._keys[attempt_id]
        except KeyError:
            raise StaleLease from None

    def key_in(self, run_id: str) -> AttemptKey:
        """The key of an attempt of a run. Raise ``StaleLease`` if the runner has none."""
        for key in self._keys.values():
            if key.run_id == run_id:
                return key
        raise StaleLease

    def _note(self, *, is_answered: bool) -> None:
        self._answered_at = time.monotonic() if is_answered else None

    # --- the runner ---------------------------------------------------------------------------

    def listen(self) -> AbstractAsyncContextManager[Listener]:
        return self._notices.listen()

    async def contact(self) -> ContactState:
        """Asks the gateway. When that says that it alone has lost the state, the next one is tried;
        until it answers, this runner is cut off.
        """
        if self._link.ended is not None:
            return ContactState.CUT_OFF
        at = self._answered_at
        if at is not None and time.monotonic() - at < ANSWERED_SECONDS:
            return ContactState.ANSWERED
        state = ContactState.CUT_OFF
        with suppress(TimeoutError, FykeError):
            async with asyncio.timeout(CONTACT_SECONDS):
                state = await self._link.contact()
                if state is ContactState.CUT_OFF:
                    self._link.leave("the gateway has lost its database")
        return ContactState.CUT_OFF if self._link.ended is not None else state

    async def replace_earlier(self) -> int:
        return await self.ask(ReplaceEarlier())

    async def register(self, info: RunnerInfo) -> Registered:
        registered = await self.ask(RegisterNode(info))
        if registered.gateways is not None:
            self._link.announced(registered.gateways)
        return registered

    async def share_sites(self, use: SiteUse, *, urgent: bool = False) -> SiteShares:
        """A gateway that refuses it, as one of an earlier release does, is asked once on each
        connection: it ends those with several messages that it does not know.
        """
        connection = self._link.connections
        if self._refused_on == connection:
            raise Unavailable("The gateway does not share sites")
        try:
            return await self.ask(ShareSites(use, urgent))
        except InvalidRequest:
            self._refused_on = connection
            raise

    async def leave(self, *, forget: bool = False) -> None:
        await self.ask(LeaveNode(forget))

    # --- attempts -----------------------------------------------------------------------------

    async def lease(self, capacity: Capacity, *, idle: bool) -> list[AttemptOrder]:
        """Those of one answer; there may be more that did not fit into it."""
        orders = await self.ask(LeaseAttempts(capacity, idle))
        self._keys |= {order.key.id: order.key for order in orders}
        return orders

    async def active(self) -> list[AttemptKey]:
        keys = await self.ask(ListAttempts())
        self._keys = {key.id: key for key in keys}
        return keys

    async def start(self, key: AttemptKey) -> InjectedSecrets:
        return await self.ask(StartAttempt(key))

    async def report(self, reports: Sequence[AttemptReport]) -> RunnerOrders:
        """Reports that are large together are sent one after the other."""
        stop: dict[str, End] = {}
        lost: set[str] = set()
        checks: list[int] = []
        for request in _split_reports(tuple(reports)):
            orders = await self.ask(request, SendLane.URGENT)
            stop |= orders.stop
            lost |= orders.lost
            if orders.next_check_ms is not None:
                checks.append(orders.next_check_ms)
        for attempt_id in lost:
            self._keys.pop(attempt_id, None)
        return RunnerOrders(stop, frozenset(lost), min(checks, default=None))

    async def reserve_browser(self, key: AttemptKey, cpus: float, memory_mb: int) -> RunLimits:
        return await self.ask(ReserveBrowser(key, cpus, memory_mb))

    async def limit_reached(self, key: AttemptKey, end: End) -> None:
        await self.ask(ReachLimit(key, end))

    async def end(self, key: AttemptKey, ended: AttemptEnd) -> AfterAttempt | None:
        after = await self.ask(EndAttempt(key, ended))
        self._keys.pop(key.id, None)
        return after

    async def give_back(
        self, key: AttemptKey, fault: Detail, *, unstarted_only: bool = False
    ) -> AfterAttempt | None:
        after = await self.ask(GiveAttemptBack(key, fault, unstarted_only))
        if after is not None:
            self._keys.pop(key.id, None)
        return after

    # --- environments -------------------------------------------------------------------------

    async def note_environment(
        self, key: AttemptKey, known: VersionEnvironment | None, reason: Reason | None
    ) -> None:
        await self.ask(NoteEnvironment(key, known, reason))

    async def take_preparation(self) -> PreparationOrder | None:
        return await self.ask(TakePreparation())

    async def end_preparation(self, version_id: str, result: Reason | Detail | None) -> None:
        reason = result if isinstance(result, Reason) else None
        fault = result if isinstance(result, Detail) else None
        await self.ask(EndPreparation(version_id, reason, fault))


class RemoteRows:
    """``AttemptRows`` of a ``RemoteGateway``."""

    def __init__(self, gateway: RemoteGateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock

    async def open(self, run_id: str, attempt_id: str) -> None:
        """The gateway opens an attempt with its first batch."""

    async def append(self, batch: AttemptBatch) -> None:
        """Every batch has to be committed, so that those of several attempts share a message."""

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        """Sent in messages that fit, one after the other. Raise ``InvalidRequest`` for a batch that
        fits into none; then nothing was sent.
        """
        now = self._clock.now_ms()
        requests = [CommitRows(part, now) for part in _split_batches(batches)]
        stored: list[bool] = []
        for request in requests:
            answer: list[bool] = await self._gateway.ask(request, SendLane.BULK)
            stored += answer
        return stored

    async def close(self, attempt_id: str) -> int:
        return await self._gateway.ask(CloseRows(self._gateway.key_of(attempt_id)))

    async def totals(self, run_id: str) -> RunTotals:
        return await self._gateway.ask(CountRows(self._gateway.key_in(run_id)))


def _split_reports(reports: tuple[AttemptReport, ...]) -> Iterator[ReportAttempts]:
    request = ReportAttempts(reports)
    if len(reports) < 2 or len(encode(request)) <= REPORT_BYTES:
        yield request
        return
    middle = len(reports) // 2
    yield from _split_reports(reports[:middle])
    yield from _split_reports(reports[middle:])


def _split_batches(batches: Sequence[AttemptBatch]) -> Iterator[tuple[AttemptBatch, ...]]:
    """Batches for one message each, in their order."""
    part: list[AttemptBatch] = []
    left = ROWS_BYTES
    for batch in batches:
        size = _size(batch)
        if size > MAX_MESSAGE - _OVERHEAD:
            size = _exact_size(batch)
        if part and size > left:
            yield tuple(part)
            part, left = [], ROWS_BYTES
        part.append(batch)
        left -= size
    if part:
        yield tuple(part)


def _size(batch: AttemptBatch) -> int:
    """The bytes of a batch in a message, at most: a character has up to four."""
    size = _OVERHEAD
    for row in batch.rows:
        size += len(row.data) + 4 * (len(row.upsert_key) + len(row.upsert_value)) + _OVERHEAD
    for header in batch.headers or ():
        size += 4 * (len(header.label) + len(header.key) + len(header.format)) + _OVERHEAD
    for entry in batch.log:
        size += 4 * (len(entry.group) + len(entry.content)) + _OVERHEAD
    return size


def _exact_size(batch: AttemptBatch) -> int:
    size = len(encode(batch)) + _OVERHEAD
    if size > MAX_MESSAGE:
        raise InvalidRequest("What the Worker has put out at once is too large to be sent")
    return size
