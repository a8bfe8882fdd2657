"""Which deliveries go out now: the claim, exact across all servers that share the database.

Claims of one host meet at its row: moving its ``next_at`` locks it until the commit, and open
requests are counted after that. Hosts are locked in one order, which rules out a deadlock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import (
    ColumnElement,
    Index,
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
from fyke.storage.sql.state.records import SqlStore, one, was_applied

deliveries = Table(
    "deliveries",
    metadata,
    text_column("id", key=True),
    text_column("account_id"),
    ref_column("run_id", "runs.id", cascade=True),
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
# for each host the earliest that waits, from the index alone
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
# what the terminal call of its run waits for
partial_index(
    "ix_deliveries_running",
    deliveries.c.run_id,
    where="state = 'pending' AND kind = 'running'",
)
# the log of an endpoint, and what waits for it
partial_index(
    "ix_deliveries_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.account_id,
    deliveries.c.created_at,
    deliveries.c.id,
    deliveries.c.state,  # counted from the index alone
    where="endpoint_id <> ''",
)
partial_index(
    "ix_deliveries_waiting_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.next_at,
    where="state = 'pending' AND endpoint_id <> ''",
)

# one row for each host of recent callbacks: a claim locks it
callback_hosts = Table(
    "callback_hosts",
    metadata,
    text_column("host", key=True),
    number_column("next_at"),  # no claim before this
    text_column("standing"),
)

MAX_CLAIMS = 32  # in one transaction, so that it stays short

# as literal text, because a partial index is used only where the database sees its condition
PENDING = deliveries.c.state == literal_column("'pending'")
_RUNNING = deliveries.alias("running")
# waits for its time only: of a run that has ended, the running call goes first
_FREE = ~and_(
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
    known: bool  # False when its row was removed while a delivery was being added


class Claims(SqlStore):
    """The part of ``OutboxStore`` that decides what is sent, and when."""

    def claim(self, now: int, free: dict[HostStatus, int], claim_until: int) -> list[Claim]:
        left = dict(free)
        ready = [
            host
            for host in sorted(self._hosts(now), key=lambda host: host.ready_at)
            if host.ready_at <= now and take_slot(left, host.status)
        ]
        chosen = sorted(ready[:MAX_CLAIMS], key=lambda host: host.name)
        found = [(host, self._claim_one(host, now, claim_until)) for host in chosen]
        return [Claim(delivery, host.status) for host, delivery in found if delivery is not None]

    def next_due(self, now: int, free: dict[HostStatus, int]) -> int | None:
        ready = (host.ready_at for host in self._hosts(now) if free[host.status] > 0)
        return min(ready, default=None)

    def _hosts(self, now: int) -> Iterator[_Host]:
        """The hosts with waiting deliveries that may have another request in flight."""
        busy = self._on_their_way(now)
        waiting = (
            select(deliveries.c.host, func.min(deliveries.c.next_at).label("due_at"))
            .where(PENDING, _FREE)
            .group_by(deliveries.c.host)
            .subquery()
        )
        query = select(
            waiting.c.host, waiting.c.due_at, callback_hosts.c.next_at, callback_hosts.c.standing
        ).outerjoin(callback_hosts, callback_hosts.c.host == waiting.c.host)
        for host, due_at, next_at, standing in self._db.execute(query):
            if busy.get(host, 0) < IN_FLIGHT:
                ready_at, known = max(due_at, next_at or 0), standing is not None
                yield _Host(host, ready_at, HostStatus(standing or HostStatus.NEW), known)

    def _on_their_way(self, now: int, *hosts: str) -> dict[str, int]:
        query = select(deliveries.c.host, func.count()).where(
            deliveries.c.claimed_until > literal_column("0"), deliveries.c.claimed_until > now
        )
        if hosts:
            query = query.where(deliveries.c.host.in_(hosts))
        found = self._db.execute(query.group_by(deliveries.c.host)).all()
        return {str(host): int(count) for host, count in found}

    def _know(self, host: str) -> None:
        fresh = {"host": host, "next_at": 0, "standing": HostStatus.NEW.value}
        self._db.execute(insert_new(self._db, callback_hosts), fresh)

    def _claim_one(self, ready: _Host, now: int, claim_until: int) -> Delivery | None:
        host = ready.name
        if not ready.known:
            self._know(host)
        if not self._take_turn(host, now):
            return None
        if self._on_their_way(now, host).get(host, 0) >= IN_FLIGHT:
            return None
        query = (
            select(deliveries)
            .where(PENDING, _FREE, *_due(host, now))
            .order_by(deliveries.c.next_at, deliveries.c.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=deliveries)  # left out for SQLite
        )
        found = one(self._db.execute(query), Delivery)
        if found is None:
            return None
        claimed = replace(found, next_at=claim_until, claimed_until=claim_until)
        self._db.execute(
            update(deliveries)
            .where(deliveries.c.id == found.id)
            .values(next_at=claim_until, claimed_until=claim_until)
        )
        return claimed

    def _take_turn(self, host: str, now: int) -> bool:
        """False when another server was quicker; true also keeps it away until the commit."""
        turn = update(callback_hosts).where(
            callback_hosts.c.host == host, callback_hosts.c.next_at <= now
        )
        return was_applied(self._db.execute(turn.values(next_at=now + PACE_MS)))


def _due(host: str, now: int) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.host == host, deliveries.c.next_at <= now
