"""Every try of a callback, receivers that were switched off, and the order within a run."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def needed(name: str, type_: Any) -> Column[Any]:
    return Column(name, type_, nullable=False)


def added(name: str, type_: Any, default: str) -> Column[Any]:
    return Column(name, type_, nullable=False, server_default=default)


def only(condition: str) -> dict[str, Any]:
    """Make an index partial, on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def upgrade() -> None:
    create_tables()
    op.add_column("deliveries", added("kind", TEXT, "terminal"))
    op.add_column("deliveries", added("receiver", TEXT, ""))
    op.add_column("deliveries", added("host", TEXT, ""))
    op.add_column("deliveries", added("claimed_until", BigInteger, "0"))
    name_receivers()
    op.drop_index("ix_deliveries_due", "deliveries")
    pending = only("state = 'pending'")
    op.create_index("ix_deliveries_due", "deliveries", ["host", "next_at"], **pending)
    claimed = only("claimed_until > 0")
    op.create_index("ix_deliveries_claimed", "deliveries", ["host", "claimed_until"], **claimed)
    running = only("state = 'pending' AND kind = 'running'")
    op.create_index("ix_deliveries_running", "deliveries", ["run_id"], **running)
    op.create_index(
        "ix_deliveries_account_id_created_at_id", "deliveries", ["account_id", "created_at", "id"]
    )


def create_tables() -> None:
    op.create_table(
        "delivery_tries",
        Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        needed("delivery_id", TEXT),
        needed("at", BigInteger),
        needed("status", BigInteger),
        needed("error", TEXT),
        needed("duration_ms", BigInteger),
        PrimaryKeyConstraint("seq", name="pk_delivery_tries"),
        ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name="fk_delivery_tries_delivery_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_delivery_tries_delivery_id_seq", "delivery_tries", ["delivery_id", "seq"])
    op.create_table(
        "receivers",
        needed("account_id", TEXT),
        needed("receiver", TEXT),
        needed("failing_since", BigInteger),
        needed("last_success_at", BigInteger),
        needed("last_failure_at", BigInteger),
        needed("disabled_at", BigInteger),
        PrimaryKeyConstraint("account_id", "receiver", name="pk_receivers"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_receivers_account_id"),
    )
    op.create_table(
        "callback_hosts",
        needed("host", TEXT),
        needed("next_at", BigInteger),
        needed("standing", TEXT),
        PrimaryKeyConstraint("host", name="pk_callback_hosts"),
    )


def name_receivers() -> None:
    """Every callback so far was of a run's end, and its URL was checked when it was written."""
    database = op.get_bind()
    hosts: set[str] = set()
    for delivery_id, url in database.execute(text("SELECT id, url FROM deliveries")).all():
        parts = urlsplit(url)
        name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        hosts.add(name)
        database.execute(
            text("UPDATE deliveries SET receiver = :receiver, host = :host WHERE id = :id"),
            {"receiver": f"{parts.scheme}://{name}:{port}", "host": name, "id": delivery_id},
        )
    insert = text("INSERT INTO callback_hosts (host, next_at, standing) VALUES (:host, 0, 'new')")
    for host in sorted(hosts):
        database.execute(insert, {"host": host})
