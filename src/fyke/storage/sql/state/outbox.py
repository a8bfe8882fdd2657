"""Deliveries, their attempts, and their receivers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    Select,
    Table,
    and_,
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
    PACE_MS,
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
from fyke.storage.sql.state.claims import PENDING, Claims, callback_hosts, deliveries, delivery_of
from fyke.storage.sql.state.columns import (
    metadata,
    number_column,
    ref_column,
    serial_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one

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
# a literal, because a partial index is used only if the statement has its condition verbatim
_OF_ENDPOINT = deliveries.c.endpoint_id != literal_column("''")


class SqlOutbox(Claims):
    """Implements ``OutboxStore``."""

    def add(self, delivery: Delivery) -> None:
        self._add_host(delivery.host)
        values = columns(delivery) | {"host": delivery.host, "run_id": delivery.run_id or None}
        self._db.execute(insert(deliveries), values)

    def get(self, delivery_id: str) -> Delivery | None:
        query = select(deliveries).where(deliveries.c.id == delivery_id)
        return self._one(query)

    def lock(self, delivery_id: str) -> Delivery | None:
        query = select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()
        return self._one(query)

    def lock_running(self, run_id: str, endpoint_id: str = "") -> Delivery | None:
        query = select(deliveries).where(
            deliveries.c.run_id == run_id,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.kind == DeliveryKind.RUNNING.value,
            PENDING,
        )
        return self._one(query.with_for_update())

    def has_call(self, run_id: str, kind: DeliveryKind, endpoint_id: str = "") -> bool:
        query = select(deliveries.c.id).where(
            deliveries.c.run_id == run_id,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.kind == kind.value,
        )
        return self._db.execute(query.limit(1)).first() is not None

    def latest_of(self, account_id: str, endpoint_id: str) -> Delivery | None:
        query = select(deliveries).where(
            _OF_ENDPOINT,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.account_id == account_id,
        )
        # from the end of ix_deliveries_of_endpoint
        order = deliveries.c.created_at.desc(), deliveries.c.id.desc()
        return self._one(query.order_by(*order).limit(1))

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

    def _fail_pending(self, reason: str, at: int, *conditions: ColumnElement[bool]) -> int:
        pending = update(deliveries).where(PENDING, *conditions, deliveries.c.claimed_until <= at)
        failed = pending.values(
            state=DeliveryState.FAILED.value, last_error=reason, claimed_until=0, ended_at=at
        )
        return self._db.execute(failed).rowcount

    def hold_pending_of(self, endpoint_id: str, until: int, at: int) -> int:
        held = update(deliveries).where(
            PENDING,
            _OF_ENDPOINT,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.next_at < until,
            deliveries.c.claimed_until <= at,
        )
        return self._db.execute(held.values(next_at=until)).rowcount

    def redirect(self, endpoint_id: str, url: str, receiver: str, at: int) -> int:
        host = host_of(receiver)
        pending = update(deliveries).where(
            PENDING,
            _OF_ENDPOINT,
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.claimed_until <= at,
        )
        redirected = pending.values(
            url=url, receiver=receiver, host=host, next_at=at, claimed_until=0
        )
        count = self._db.execute(redirected).rowcount
        if count:
            self._add_host(host)
        return count

    def next_tries(self, endpoint_ids: Collection[str]) -> dict[str, int]:
        query = (
            select(deliveries.c.endpoint_id, func.min(deliveries.c.next_at))
            .where(PENDING, _OF_ENDPOINT, deliveries.c.endpoint_id.in_(sorted(endpoint_ids)))
            .group_by(deliveries.c.endpoint_id)
        )
        return {str(endpoint): int(at) for endpoint, at in self._db.execute(query)}

    def set_host_status(self, host: str, status: HostStatus) -> None:
        statement = update(callback_hosts).where(
            callback_hosts.c.host == host, callback_hosts.c.standing != status.value
        )
        self._db.execute(statement.values(standing=status.value))

    def remove_idle_hosts(self, idle_since: int) -> int:
        pending = exists().where(deliveries.c.host == callback_hosts.c.host, PENDING)
        idle = delete(callback_hosts).where(callback_hosts.c.next_at < idle_since, ~pending)
        return self._db.execute(idle).rowcount

    def pull_in(self, now: int, latest: Sequence[int]) -> int:
        too_late = [
            and_(deliveries.c.tries == tries, deliveries.c.next_at > at)
            for tries, at in enumerate(latest)
        ]
        # an untried message to an endpoint may wait in line, or for as long as the receiver asked
        too_late[0] &= or_(
            deliveries.c.endpoint_id == literal_column("''"),
            deliveries.c.claimed_until > literal_column("0"),
            deliveries.c.created_at > latest[0],
        )
        hosts = update(callback_hosts).where(callback_hosts.c.next_at > now + PACE_MS)
        self._db.execute(hosts.values(next_at=now))
        change = update(deliveries).where(PENDING, or_(*too_late))
        return self._db.execute(change.values(next_at=now, claimed_until=0)).rowcount

    def add_try(self, attempt: DeliveryAttempt) -> None:
        self._db.execute(insert(delivery_tries), columns(attempt))
        same_delivery = delivery_tries.c.delivery_id == attempt.delivery_id
        newest = select(delivery_tries.c.seq).where(same_delivery)
        newest = newest.order_by(delivery_tries.c.seq.desc())
        too_old = newest.offset(KEPT_TRIES).limit(1).scalar_subquery()
        old = delete(delivery_tries).where(same_delivery, delivery_tries.c.seq <= too_old)
        self._db.execute(old)

    def tries_of(
        self, delivery_ids: Collection[str], limit: int | None = None
    ) -> dict[str, list[DeliveryAttempt]]:
        query = select(delivery_tries).where(delivery_tries.c.delivery_id.in_(delivery_ids))
        by_delivery: dict[str, list[DeliveryAttempt]] = defaultdict(list)
        for attempt in many(
            self._db.execute(query.order_by(delivery_tries.c.seq).limit(limit)), DeliveryAttempt
        ):
            by_delivery[attempt.delivery_id].append(attempt)
        return dict(by_delivery)

    def of_run(self, run_id: str, limit: int | None = None) -> list[Delivery]:
        query = select(deliveries).where(deliveries.c.run_id == run_id)
        order = deliveries.c.created_at, deliveries.c.id
        return many(self._db.execute(query.order_by(*order).limit(limit)), Delivery)

    def page(
        self, account_id: str, filter: DeliveryFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Delivery]]:
        conditions = _conditions(account_id, filter)
        count = select(func.count()).select_from(deliveries).where(*conditions)
        order = deliveries.c.created_at.desc(), deliveries.c.id.desc()
        # the ids come from an index alone, so a page far back costs little more
        ids = select(deliveries.c.id).where(*conditions).order_by(*order)
        on_page = deliveries.c.id.in_(ids.limit(limit).offset(offset))
        page = select(deliveries).where(on_page).order_by(*order)
        rows = self._db.execute(page).mappings()
        return self._db.execute(count).scalar_one(), [delivery_of(row) for row in rows]

    def remove_without_run(self, before: int, limit: int) -> int:
        old = select(deliveries.c.id).where(
            deliveries.c.run_id.is_(None), deliveries.c.created_at < before
        )
        oldest = old.order_by(deliveries.c.created_at).limit(limit)
        return self._db.execute(delete(deliveries).where(deliveries.c.id.in_(oldest))).rowcount


def _conditions(account_id: str, filter: DeliveryFilter) -> list[ColumnElement[bool]]:
    conditions: list[Any] = [deliveries.c.account_id == account_id]
    if filter.endpoint_id:
        conditions += [_OF_ENDPOINT, deliveries.c.endpoint_id == filter.endpoint_id]
    if filter.state:
        conditions.append(deliveries.c.state == filter.state.value)
    if filter.host:
        host = filter.host.lower()
        with_port = deliveries.c.receiver.in_([f"http://{host}", f"https://{host}"])
        conditions.append(or_(deliveries.c.host == host, with_port))
    return conditions


_KEY = ("account_id", "receiver")


class SqlReceivers(SqlStore):
    """Implements ``ReceiverStore``."""

    def get(self, account_id: str, receiver: str) -> Receiver | None:
        return one(self._db.execute(_select_receiver(account_id, receiver)), Receiver)

    def lock(self, account_id: str, receiver: str) -> Receiver:
        new = Receiver(account_id, receiver)
        self._db.execute(insert_new(self._db, receivers), columns(new))
        query = _select_receiver(account_id, receiver).with_for_update()
        return one(self._db.execute(query), Receiver) or new

    def save(self, receiver: Receiver) -> None:
        values = columns(receiver)
        by_key = [receivers.c[name] == values.pop(name) for name in _KEY]
        self._db.execute(update(receivers).where(*by_key).values(**values))

    def of_account(self, account_id: str) -> list[Receiver]:
        query = select(receivers).where(receivers.c.account_id == account_id)
        return many(self._db.execute(query.order_by(receivers.c.receiver)), Receiver)


def _select_receiver(account_id: str, receiver: str) -> Select[tuple[object, ...]]:
    return select(receivers).where(
        receivers.c.account_id == account_id, receivers.c.receiver == receiver
    )
