"""The tables around the outbox: tries of deliveries, receivers, and the pace of each host."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from fyke.storage.sql.columns import Sequence, StorableText, metadata

delivery_tries = Table(
    "delivery_tries",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column(
        "delivery_id",
        StorableText(),
        ForeignKey("deliveries.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("at", BigInteger, nullable=False),
    Column("status", BigInteger, nullable=False),
    Column("error", StorableText(), nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("reply", StorableText(), nullable=False, server_default=""),
    Index(None, "delivery_id", "seq"),
)

receivers = Table(
    "receivers",
    metadata,
    Column("account_id", StorableText(), ForeignKey("accounts.id"), primary_key=True),
    Column("receiver", StorableText(), primary_key=True),
    Column("failing_since", BigInteger, nullable=False),
    Column("last_success_at", BigInteger, nullable=False),
    Column("last_failure_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger, nullable=False),
)

# one row for each host that a callback was lately meant for: whoever claims locks it
callback_hosts = Table(
    "callback_hosts",
    metadata,
    Column("host", StorableText(), primary_key=True),
    Column("next_at", BigInteger, nullable=False),  # no claim before this
    Column("standing", StorableText(), nullable=False),
)
