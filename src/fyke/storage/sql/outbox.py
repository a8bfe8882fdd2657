"""Callbacks on their way."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, literal_column, select, update

from fyke.domain.callbacks.model import Delivery
from fyke.storage.sql.records import columns, many
from fyke.storage.sql.tables import deliveries

# as literal text, because a partial index is used only where the database sees its condition
_PENDING = deliveries.c.state == literal_column("'pending'")
_FIXED = ("id", "account_id", "run_id", "url", "payload", "created_at")


class SqlOutbox:
    """``contracts.OutboxStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, delivery: Delivery) -> None:
        self._db.execute(insert(deliveries), columns(delivery))

    def due(self, now: int, limit: int, claim_until: int) -> list[Delivery]:
        """The deliveries are returned as they were before the claim."""
        query = (
            select(deliveries)
            .where(_PENDING, deliveries.c.next_at <= now)
            .order_by(deliveries.c.next_at)
            .limit(limit)
            .with_for_update(skip_locked=True)  # SQLAlchemy leaves it out for SQLite
        )
        found = many(self._db.execute(query), Delivery)
        if found:
            ids = [delivery.id for delivery in found]
            claim = update(deliveries).where(deliveries.c.id.in_(ids))
            self._db.execute(claim.values(next_at=claim_until))
        return found

    def next_due(self) -> int | None:
        earliest = select(func.min(deliveries.c.next_at)).where(_PENDING)
        at: int | None = self._db.execute(earliest).scalar_one()
        return at

    def save(self, delivery: Delivery) -> None:
        values = columns(delivery)
        for name in _FIXED:
            del values[name]
        self._db.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(**values))

    def of_run(self, run_id: str) -> list[Delivery]:
        """Oldest first."""
        query = select(deliveries).where(deliveries.c.run_id == run_id)
        order = deliveries.c.created_at, deliveries.c.id
        return many(self._db.execute(query.order_by(*order)), Delivery)
