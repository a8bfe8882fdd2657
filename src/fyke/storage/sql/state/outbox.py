"""Pending callbacks, the result of each attempt, and the behaviour of their receivers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    Select,
    Table,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from fyke.model.callback import (
    KEPT_TRIES,
    Delivery,
    DeliveryAttempt,
    DeliveryFilter,
    DeliveryKind,
    DeliveryState,
    HostStatus,
    Receiver,
    host_of,
)
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.state.claims import PENDING, Claims, callback_hosts, deliveries
from fyke.storage.sql.state.columns import (
    metadata,
    number_column,
    ref_column,
    serial_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one, record

delivery_tries = Table(
    "delivery_tries",
    metadata,
    serial_column("seq"),
    ref_column("delivery_id", "deliveries.id", cascade=True),
    number_column("at"),
    number_column("status"),
    text_column("error"),
    number_column("duration_ms"),
    text_column("reply"),
    Index(None, "delivery_id", "seq"),
)

receivers = Table(
    "receivers",
    metadata,
    ref_column("account_id", "accounts.id", key=True),
    text_column("receiver", key=True),
    number_column("failing_since"),
    number_column("last_success_at"),
    number_column("last_failure_at"),
    number_column("disabled_at"),
)

_FIXED = (
    "id", "account_id", "run_id", "url", "payload", "created_at", "kind", "receiver",
    "endpoint_id", "event",
)  # fmt: skip
# as literal text, because a partial index is used only where the database sees its condition
_OF_ENDPOINT = deliveries.c.endpoint_id != literal_column("''")


class SqlOutbox(Claims):
    """Implements ``OutboxStore``."""

    def add(self, delivery: Delivery) -> None:
        self._know(delivery.host)
        self._db.execute(insert(deliveries), columns(delivery) | {"host": delivery.host})

    def get(self, delivery_id: str) -> Delivery | None:
        query = select(deliveries).where(deliveries.c.id == delivery_id)
        return one(self._db.execute(query), Delivery)

    def lock(self, delivery_id: str) -> Delivery | None:
        query = select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()
        return one(self._db.execute(query), Delivery)

    def lock_running(self, run_id: str, endpoint_id: str = "") -> Delivery | None:
        query = select(deliveries).where(
            deliveries.c.run_id == run_id,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.kind == DeliveryKind.RUNNING.value,
            PENDING,
        )
        return one(self._db.execute(query.with_for_update()), Delivery)

    def has_terminal(self, run_id: str, endpoint_id: str = "") -> bool:
        query = select(deliveries.c.id).where(
            deliveries.c.run_id == run_id,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.kind == DeliveryKind.TERMINAL.value,
        )
        return self._db.execute(query.limit(1)).first() is not None

    def save(self, delivery: Delivery) -> None:
        values = columns(delivery)
        for name in _FIXED:
            del values[name]
        self._db.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(**values))

    def fail_pending(self, account_id: str, receiver: str, reason: str, at: int) -> int:
        return self._fail_pending(
            reason,
            at,
            deliveries.c.account_id == account_id,
            deliveries.c.receiver == receiver,
        )

    def fail_pending_of(self, endpoint_id: str, reason: str, at: int) -> int:
        return self._fail_pending(reason, at, _OF_ENDPOINT, deliveries.c.endpoint_id == endpoint_id)

    def _fail_pending(self, reason: str, at: int, *which: ColumnElement[bool]) -> int:
        waiting = update(deliveries).where(PENDING, *which, deliveries.c.claimed_until <= at)
        failed = waiting.values(
            state=DeliveryState.FAILED.value, last_error=reason, claimed_until=0, ended_at=at
        )
        return self._db.execute(failed).rowcount

    def redirect(self, endpoint_id: str, url: str, receiver: str, at: int) -> int:
        host = host_of(receiver)
        waiting = update(deliveries).where(
            PENDING,
            _OF_ENDPOINT,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.claimed_until <= at,
        )
        moved = waiting.values(url=url, receiver=receiver, host=host, next_at=at, claimed_until=0)
        count = self._db.execute(moved).rowcount
        if count:
            self._know(host)
        return count

    def next_tries(self, endpoint_ids: Collection[str]) -> dict[str, int]:
        query = (
            select(deliveries.c.endpoint_id, func.min(deliveries.c.next_at))
            .where(PENDING, _OF_ENDPOINT, deliveries.c.endpoint_id.in_(sorted(endpoint_ids)))
            .group_by(deliveries.c.endpoint_id)
        )
        return {str(name): int(at) for name, at in self._db.execute(query)}

    def set_host_status(self, host: str, status: HostStatus) -> None:
        statement = update(callback_hosts).where(
            callback_hosts.c.host == host, callback_hosts.c.standing != status.value
        )
        self._db.execute(statement.values(standing=status.value))

    def remove_idle_hosts(self, idle_since: int) -> int:
        waiting = exists().where(deliveries.c.host == callback_hosts.c.host, PENDING)
        old = delete(callback_hosts).where(callback_hosts.c.next_at < idle_since, ~waiting)
        return self._db.execute(old).rowcount

    def add_try(self, tried: DeliveryAttempt) -> None:
        self._db.execute(insert(delivery_tries), columns(tried))
        mine = delivery_tries.c.delivery_id == tried.delivery_id
        last = select(delivery_tries.c.seq).where(mine).order_by(delivery_tries.c.seq.desc())
        too_old = last.offset(KEPT_TRIES).limit(1).scalar_subquery()
        self._db.execute(delete(delivery_tries).where(mine, delivery_tries.c.seq <= too_old))

    def tries_of(self, delivery_ids: Collection[str]) -> dict[str, list[DeliveryAttempt]]:
        query = select(delivery_tries).where(delivery_tries.c.delivery_id.in_(delivery_ids))
        found: dict[str, list[DeliveryAttempt]] = defaultdict(list)
        for row in self._db.execute(query.order_by(delivery_tries.c.seq)).mappings():
            tried = record(row, DeliveryAttempt)
            found[tried.delivery_id].append(tried)
        return dict(found)

    def of_run(self, run_id: str) -> list[Delivery]:
        query = select(deliveries).where(deliveries.c.run_id == run_id)
        order = deliveries.c.created_at, deliveries.c.id
        return many(self._db.execute(query.order_by(*order)), Delivery)

    def page(
        self, account_id: str, wanted: DeliveryFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Delivery]]:
        conditions = _conditions(account_id, wanted)
        count = select(func.count()).select_from(deliveries).where(*conditions)
        order = deliveries.c.created_at.desc(), deliveries.c.id.desc()
        # their ids come from an index alone, then their rows: a page far back costs little more
        ids = select(deliveries.c.id).where(*conditions).order_by(*order)
        mine = deliveries.c.id.in_(ids.limit(limit).offset(offset))
        page = select(deliveries).where(mine).order_by(*order)
        return self._db.execute(count).scalar_one(), many(self._db.execute(page), Delivery)


def _conditions(account_id: str, wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    found: list[Any] = [deliveries.c.account_id == account_id]
    if wanted.endpoint_id:
        found += [_OF_ENDPOINT, deliveries.c.endpoint_id == wanted.endpoint_id]
    if wanted.state:
        found.append(deliveries.c.state == wanted.state.value)
    if wanted.host:
        host = wanted.host.lower()
        with_port = deliveries.c.receiver.in_([f"http://{host}", f"https://{host}"])
        found.append(or_(deliveries.c.host == host, with_port))
    return found


_KEY = ("account_id", "receiver")


class SqlReceivers(SqlStore):
    """Implements ``ReceiverStore``."""

    def get(self, account_id: str, receiver: str) -> Receiver | None:
        return one(self._db.execute(_named(account_id, receiver)), Receiver)

    def lock(self, account_id: str, receiver: str) -> Receiver:
        fresh = Receiver(account_id, receiver)
        self._db.execute(insert_new(self._db, receivers), columns(fresh))
        query = _named(account_id, receiver).with_for_update()
        return one(self._db.execute(query), Receiver) or fresh

    def save(self, receiver: Receiver) -> None:
        values = columns(receiver)
        named = [receivers.c[name] == values.pop(name) for name in _KEY]
        self._db.execute(update(receivers).where(*named).values(**values))

    def of_account(self, account_id: str) -> list[Receiver]:
        query = select(receivers).where(receivers.c.account_id == account_id)
        return many(self._db.execute(query.order_by(receivers.c.receiver)), Receiver)


def _named(account_id: str, receiver: str) -> Select[tuple[object, ...]]:
    return select(receivers).where(
        receivers.c.account_id == account_id, receivers.c.receiver == receiver
    )
