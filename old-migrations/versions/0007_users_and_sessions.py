"""Sign-in, sessions, one-time links, scopes of keys, the audit log, preferences."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    # until now each account had one user of its own name, and those are unique
    op.create_index("uq_users_name", "users", ["name"], unique=True)
    op.add_column(
        "api_keys", Column("scopes", TEXT, nullable=False, server_default="read run write admin")
    )
    _sessions()
    _one_time_links()
    op.create_table(
        "preferences",
        Column("user_id", TEXT, nullable=False),
        *(_text(name) for name in ("language", "theme", "time_zone", "snippets", "views")),
        PrimaryKeyConstraint("user_id", name="pk_preferences"),
        _of_user("preferences"),
    )
    _audit()


def _sessions() -> None:
    op.create_table(
        "sessions",
        *(_text(name) for name in ("id", "user_id", "digest")),
        *(_number(name) for name in ("created_at", "seen_at", "expires_at", "ended_at")),
        *(_text(name) for name in ("agent", "address")),
        PrimaryKeyConstraint("id", name="pk_sessions"),
        UniqueConstraint("digest", name="uq_sessions_digest"),
        _of_user("sessions"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def _one_time_links() -> None:
    op.create_table(
        "one_time_links",
        *(_text(name) for name in ("digest", "purpose", "user_id")),
        *(_number(name) for name in ("created_at", "expires_at")),
        PrimaryKeyConstraint("digest", name="pk_one_time_links"),
        _of_user("one_time_links"),
    )
    op.create_index("ix_one_time_links_user_id", "one_time_links", ["user_id"])


def _audit() -> None:
    names = ("user_id", "user_name", "key_id", "session_id", "address")
    op.create_table(
        "audit",
        Column("seq", SEQUENCE, nullable=False, autoincrement=True),
        _text("account_id"),
        _number("at"),
        *(_text(name) for name in (*names, "action", "target", "detail")),
        PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_account_id_seq", "audit", ["account_id", "seq"])
    op.create_index("ix_audit_account_id_action_seq", "audit", ["account_id", "action", "seq"])
    op.create_index("ix_audit_at", "audit", ["at"])


def _text(name: str) -> Column[str]:
    return Column(name, TEXT, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _of_user(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"fk_{table}_user_id", ondelete="CASCADE"
    )
