"""Queueing, activating and releasing starts.

A new item is checked like a start, except for the balance and the number of active runs, and its
version is pinned.
Only an activation starts it, in the transaction that writes the run: of concurrent activations, on
any number of servers, one creates a run and the others get the error that the item is no longer
waiting.

After a temporary refusal (no balance, a full plan, a full disk) an item stays in the queue; a
permanent one (its worker was deleted, its version withdrawn) ends it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.billing.service import required_hold
from fyke.domain.runs.admission import check_device, plan_limit
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.runs.start_keys import StartKind, claim, earlier_start, start_was_deleted
from fyke.domain.runs.summary import summary_of_start
from fyke.domain.workers.lookup import refuse_deleted
from fyke.errors import (
    FykeError,
    InsufficientBalance,
    InsufficientTraffic,
    InvalidRequest,
    PlanLimitReached,
    Refused,
    RunRefused,
    Unavailable,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.billing import Prices
from fyke.model.queue import QueuedStart
from fyke.model.run import Origin, Run
from fyke.model.worker import Worker
from fyke.reasons import Reason, ReasonCode, sentence

NOT_WAITING = Reason(ReasonCode.ITEM_NOT_WAITING)
UNKNOWN = Reason(ReasonCode.ITEM_UNKNOWN)
MAX_WAITING = 10_000  # of one account
LAST_NUMBER = 2**63 - 1

_NUMBER = re.compile(r"[1-9][0-9]{0,18}")

_TEMPORARY = (InsufficientBalance, InsufficientTraffic, PlanLimitReached, RunRefused, Unavailable)
_PERMANENT = (WorkerNotFound, VersionUnavailable, InvalidRequest)


class NotWaiting(Refused):
    """The item was activated or released by another request."""

    key = "not_waiting"
    default = "The item of the run queue is no longer waiting"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The outcome for the item ``ref``. ``error`` is None on success."""

    ref: str
    error: Reason | None = None
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item with its worker, and the reasons why it waits or has left the queue. ``reasons`` may
    be empty for an item of an older release, which has only a text.
    """

    item: QueuedStart
    worker: Worker | None
    reasons: tuple[Reason, ...]

    @property
    def summary(self) -> str:
        """The input in one line."""
        return summary_of_start(self.item.input_json)

    @property
    def text(self) -> str:
        """The reasons as one English sentence."""
        return "; ".join(map(sentence, self.reasons)) or self.item.reason_text


class RunQueue:
    """The run queues of all accounts; each account can read only its own."""

    def __init__(self, storage: Storage, runs: Runs, prices: Prices) -> None:
        self._storage = storage
        self._runs = runs
        self._prices = prices

    async def enqueue(self, caller: Caller, request: StartRequest) -> QueuedStart:
        """Check ``request`` and add it to the queue. Raises the errors of a start, except for the
        balance and the number of active runs; ``Refused`` when the queue is full.
        """
        require_editor(caller, "Queueing runs")
        earlier = await self._storage.read(lambda tx: _earlier_item(tx, caller, request))
        if request.key is not None:
            request.key.replayed = earlier is not None
        if earlier is not None:
            return earlier
        run, _, _ = await self._runs.prepare(caller, request)
        self._runs.refuse_without_space()
        item = QueuedStart(
            id=new_ulid(),
            account_id=run.account_id,
            worker_id=run.worker_id,
            version=run.version,
            input_json=json.dumps(request.input, ensure_ascii=False, separators=(",", ":")),
            callback_url=run.callback_url,
            waiting=True,
            reason_text="",
            run_id="",
            created_at=0,
            ended_at=0,
        )
        added = await self._storage.write(lambda tx: self._add(tx, caller, request, run, item))
        if request.key is not None:
            request.key.replayed = added.id != item.id
        return added

    def _add(
        self, tx: Transaction, caller: Caller, request: StartRequest, run: Run, item: QueuedStart
    ) -> QueuedStart:
        key = request.key
        earlier = claim(tx, caller, key, StartKind.QUEUE_ITEM, item.id) if key else None
        if earlier is not None:
            return _existing_item(tx, earlier)
        refuse_deleted(tx, item.worker_id)
        asked = run.browser_memory_asked
        check_device(tx, run.account_id, run.limits, browser_memory_asked=asked)
        self._runs.check_pool(tx, run)
        waiting, _ = tx.queue.page(caller.account_id, True, offset=0, limit=1)
        if waiting >= MAX_WAITING:
            raise Refused(Reason.of(ReasonCode.QUEUE_FULL, most=MAX_WAITING))
        reason = self._insufficient_funds(tx, run)
        text = sentence(reason) if reason else ""
        dated = replace(item, reason=reason, reason_text=text, created_at=tx.now)
        record(tx, caller, AuditAction.RUN_QUEUED, item.id)
        return replace(dated, number=tx.queue.add(dated))

    def _insufficient_funds(self, tx: Transaction, run: Run) -> Reason | None:
        """Why the balance or traffic of the account does not suffice for ``run``, else None."""
        if not self._prices.any() and not self._prices.traffic_quota:
            return None
        try:
            required_hold(tx, self._prices, run, tx.accounts.get(run.account_id))
        except (InsufficientBalance, InsufficientTraffic) as error:
            return _reason_of(error)
        return None

    async def page(
        self,
        caller: Caller,
        waiting: bool | None,
        *,
        offset: int,
        limit: int,
        oldest_first: bool = False,
    ) -> tuple[int, list[ListedItem]]:
        """Total count and one page, newest first by default. ``waiting``: only items that wait or
        do not wait, None for all.
        """

        def work(tx: Transaction) -> tuple[int, list[ListedItem]]:
            count, items = tx.queue.page(
                caller.account_id, waiting, offset=offset, limit=limit, oldest_first=oldest_first
            )
            full = plan_limit(tx, caller.account_id) if any(i.waiting for i in items) else None
            workers = tx.workers.get_all({item.worker_id for item in items})
            return count, [
                ListedItem(item, workers.get(item.worker_id), _reasons(item, full))
                for item in items
            ]

        return await self._storage.read(work)

    async def ended_items(self, caller: Caller, refs: list[str]) -> list[QueuedStart]:
        """The items among ``refs`` that no longer wait."""

        def work(tx: Transaction) -> list[QueuedStart]:
            items = (_own_item(tx, caller, ref) for ref in refs)
            return [item for item in items if item is not None and not item.waiting]

        return await self._storage.read(work)

    async def activate(self, caller: Caller, refs: list[str]) -> list[ItemResult]:
        """Start each item separately; return a result for each ref, in order."""
        require_editor(caller, "Starting runs")
        return [await self._activate(caller, ref) for ref in refs]

    async def _activate(self, caller: Caller, ref: str) -> ItemResult:
        item = await self._storage.read(lambda tx: _own_item(tx, caller, ref))
        if item is None:
            return ItemResult(ref, UNKNOWN)
        if not item.waiting:
            return ItemResult(ref, NOT_WAITING)

        def settle(tx: Transaction, run: Run) -> None:
            if not tx.queue.end(
                item.id, tx.now, Reason.of(ReasonCode.ACTIVATED, run=run.id), run.id
            ):
                raise NotWaiting

        request = StartRequest(
            worker_ref=item.worker_id,
            version=item.version,
            input=json.loads(item.input_json),
            callback_url=item.callback_url,
            origin=Origin.API_V2,
            in_transaction=settle,
        )
        try:
            run = await self._runs.start(caller, request)
        except NotWaiting:
            return ItemResult(ref, NOT_WAITING)
        except (*_TEMPORARY, *_PERMANENT) as error:
            return await self._failed(item, ref, error)
        return ItemResult(ref, run_id=run.id)

    async def _failed(self, item: QueuedStart, ref: str, error: FykeError) -> ItemResult:
        reason = _reason_of(error)

        def work(tx: Transaction) -> bool:
            if isinstance(error, _PERMANENT):
                return tx.queue.end(item.id, tx.now, reason)
            if isinstance(error, PlanLimitReached):
                # no reason is stored: the plan is checked whenever the item is listed
                return tx.queue.explain(item.id, None)
            return tx.queue.explain(item.id, reason)

        waiting = await self._storage.write(work)
        return ItemResult(ref, reason if waiting else NOT_WAITING)

    async def release(self, caller: Caller, refs: list[str], reason: str) -> list[ItemResult]:
        """Remove each item permanently; return a result for each ref, in order."""
        require_editor(caller, "Releasing queued runs")
        why = Reason.of(ReasonCode.RELEASED, note=reason)

        def work(tx: Transaction) -> list[ItemResult]:
            return [_release(tx, caller, ref, why) for ref in refs]

        return await self._storage.write(work)


def _release(tx: Transaction, caller: Caller, ref: str, why: Reason) -> ItemResult:
    item = _own_item(tx, caller, ref)
    if item is None:
        return ItemResult(ref, UNKNOWN)
    ended = tx.queue.end(item.id, tx.now, why)
    return ItemResult(ref, None if ended else NOT_WAITING)


def _own_item(tx: Transaction, caller: Caller, ref: str) -> QueuedStart | None:
    if not _NUMBER.fullmatch(ref) or int(ref) > LAST_NUMBER:
        return None
    item = tx.queue.by_number(int(ref))
    return item if item is not None and item.account_id == caller.account_id else None


def _earlier_item(tx: Transaction, caller: Caller, request: StartRequest) -> QueuedStart | None:
    if request.key is None:
        return None
    ref = earlier_start(tx, caller, request.key, StartKind.QUEUE_ITEM)
    return None if ref is None else _existing_item(tx, ref)


def _existing_item(tx: Transaction, ref: str) -> QueuedStart:
    item = tx.queue.get(ref)
    if item is None:
        raise start_was_deleted()
    return item


def _reasons(item: QueuedStart, full: Reason | None) -> tuple[Reason, ...]:
    if not item.waiting:
        return (item.reason,) if item.reason else ()
    waits = Reason(ReasonCode.ACTIVATION)
    return tuple(entry for entry in (waits, full, item.reason) if entry is not None)


def _reason_of(error: FykeError) -> Reason:
    if error.reason is not None:
        return error.reason
    if isinstance(error, WorkerNotFound):
        return Reason(ReasonCode.WORKER_NOT_FOUND)
    if isinstance(error, InvalidRequest):
        return Reason.of(ReasonCode.INPUT_REFUSED, detail=error.message)
    raise error  # not about the item: the storage is unavailable
