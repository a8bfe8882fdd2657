"""Claiming due deliveries, with limits across all servers that share the database.

A claim updates the row of its host, which locks it until the commit, and only then counts open
requests. Hosts are locked in a fixed order, which rules out deadlocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    Select,
    Table,
    and_,
    exists,
    func,
    literal_column,
    select,
    update,
)

from fyke.domain.callbacks.slots import take_slot
from fyke.model.callback import IN_FLIGHT, PACE_MS, Claim, Delivery, HostStatus
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.state.columns import (
    metadata,
    number_column,
    partial_index,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, record, was_applied

deliveries = Table(
    "deliveries",
    metadata,
    text_column("id", key=True),
    text_column("account_id"),
    ref_column("run_id", "runs.id", cascade=True, null=True),  # of an alert without a run
    text_column("url"),
    text_column("payload"),
    text_column("state"),
    number_column("tries"),
    number_column("next_at"),
    number_column("last_status"),
    text_column("last_error"),
    number_column("created_at"),
    number_column("ended_at"),
    text_column("kind"),
    text_column("receiver"),
    text_column("host"),
    number_column("claimed_until"),
    text_column("endpoint_id"),
    text_column("event"),
    Index(None, "run_id", "created_at"),
    Index(None, "account_id", "created_at", "id"),
)
# the earliest pending delivery of each host, from the index alone
partial_index(
    "ix_deliveries_due",
    deliveries.c.host,
    deliveries.c.next_at,
    where="state = 'pending'",
)
partial_index(
    "ix_deliveries_claimed",
    deliveries.c.host,
    deliveries.c.claimed_until,
    where="claimed_until > 0",
)
# the running call that the terminal call of a run waits for
partial_index(
    "ix_deliveries_running",
    deliveries.c.run_id,
    where="state = 'pending' AND kind = 'running'",
)
# the deliveries of an endpoint, and the pending ones
partial_index(
    "ix_deliveries_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.account_id,
    deliveries.c.created_at,
    deliveries.c.id,
    deliveries.c.state,  # so that the index alone has the count
    where="endpoint_id <> ''",
)
partial_index(
    "ix_deliveries_waiting_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.next_at,
    where="state = 'pending' AND endpoint_id <> ''",
)

# one row per host of recent deliveries; a claim locks it
callback_hosts = Table(
    "callback_hosts",
    metadata,
    text_column("host", key=True),
    number_column("next_at"),  # no claim before this
    text_column("standing"),
)

MAX_CLAIMS = 32  # in one transaction, so that it stays short

# literals, because a partial index is used only if the statement has its condition verbatim
PENDING = deliveries.c.state == literal_column("'pending'")
_RUNNING = deliveries.alias("running")
# not a terminal call whose running call is still pending
_UNBLOCKED = ~and_(
    deliveries.c.kind == literal_column("'terminal'"),
    exists().where(
        _RUNNING.c.run_id == deliveries.c.run_id,
        _RUNNING.c.endpoint_id == deliveries.c.endpoint_id,
        _RUNNING.c.state == literal_column("'pending'"),
        _RUNNING.c.kind == literal_column("'running'"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Host:
    name: str
    ready_at: int  # when its earliest delivery is due and its pace allows it
    status: HostStatus
    stored: bool  # False when its row was removed while a delivery was added


class Claims(SqlStore):
    """The part of ``OutboxStore`` for claims."""

    def claim(self, now: int, free: dict[HostStatus, int], claim_until: int) -> list[Claim]:
        slots = dict(free)
        ready = [
            host
            for host in sorted(self._hosts(now), key=lambda host: host.ready_at)
            if host.ready_at <= now and take_slot(slots, host.status)
        ]
        claims = []
        for host in sorted(ready[:MAX_CLAIMS], key=lambda host: host.name):
            delivery = self._claim_one(host, now, claim_until)
            if delivery is not None:
                claims.append(Claim(delivery, host.status))
        return claims

    def next_due(self, now: int, free: dict[HostStatus, int]) -> int | None:
        ready = (host.ready_at for host in self._hosts(now) if free[host.status] > 0)
        return min(ready, default=None)

    def _one(self, query: Select[Any]) -> Delivery | None:
        row = self._db.execute(query).mappings().first()
        return None if row is None else delivery_of(row)

    def _hosts(self, now: int) -> Iterator[_Host]:
        """The hosts with pending deliveries and less than ``IN_FLIGHT`` open requests."""
        in_flight = self._count_in_flight(now)
        waiting = (
            select(deliveries.c.host, func.min(deliveries.c.next_at).label("due_at"))
            .where(PENDING, _UNBLOCKED)
            .group_by(deliveries.c.host)
            .subquery()
        )
        query = select(
            waiting.c.host, waiting.c.due_at, callback_hosts.c.next_at, callback_hosts.c.standing
        ).outerjoin(callback_hosts, callback_hosts.c.host == waiting.c.host)
        for host, due_at, next_at, status in self._db.execute(query):
            if in_flight.get(host, 0) < IN_FLIGHT:
                ready_at = max(due_at, next_at or 0)
                stored = status is not None
                yield _Host(host, ready_at, HostStatus(status or HostStatus.NEW), stored)

    def _count_in_flight(self, now: int, *hosts: str) -> dict[str, int]:
        query = select(deliveries.c.host, func.count()).where(
            deliveries.c.claimed_until > literal_column("0"), deliveries.c.claimed_until > now
        )
        if hosts:
            query = query.where(deliveries.c.host.in_(hosts))
        rows = self._db.execute(query.group_by(deliveries.c.host)).all()
        return {str(host): int(count) for host, count in rows}

    def _add_host(self, host: str) -> None:
        values = {"host": host, "next_at": 0, "standing": HostStatus.NEW.value}
        self._db.execute(insert_new(self._db, callback_hosts), values)

    def _claim_one(self, ready: _Host, now: int, claim_until: int) -> Delivery | None:
        host = ready.name
        if not ready.stored:
            self._add_host(host)
        if not self._reserve_host(host, now):
            return None
        if self._count_in_flight(now, host).get(host, 0) >= IN_FLIGHT:
            return None
        query = (
            select(deliveries)
            .where(PENDING, _UNBLOCKED, *_due(host, now))
            .order_by(deliveries.c.next_at, deliveries.c.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=deliveries)  # no effect on SQLite
        )
        delivery = self._one(query)
        if delivery is None:
            return None
        change = update(deliveries).where(deliveries.c.id == delivery.id)
        self._db.execute(change.values(next_at=claim_until, claimed_until=claim_until))
        return replace(delivery, next_at=claim_until, claimed_until=claim_until)

    def _reserve_host(self, host: str, now: int) -> bool:
        """Lock the host until the commit and delay its next claim. False when another server was
        faster.
        """
        change = update(callback_hosts).where(
            callback_hosts.c.host == host, callback_hosts.c.next_at <= now
        )
        return was_applied(self._db.execute(change.values(next_at=now + PACE_MS)))


def delivery_of(row: Mapping[Any, Any]) -> Delivery:
    return record({**row, "run_id": row["run_id"] or ""}, Delivery)


def _due(host: str, now: int) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.host == host, deliveries.c.next_at <= now
