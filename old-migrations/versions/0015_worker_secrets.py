"""The secrets that an account keeps for a worker, sealed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "worker_secrets",
        *(
            Column(name, TEXT, nullable=False)
            for name in ("account_id", "worker_id", "name", "key_id", "sealed", "set_by")
        ),
        *(Column(name, BigInteger, nullable=False) for name in ("set_at", "used_at")),
        PrimaryKeyConstraint("account_id", "worker_id", "name", name="pk_worker_secrets"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_worker_secrets_account_id"),
        ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_worker_secrets_worker_id"),
    )
    op.create_index("ix_worker_secrets_worker_id", "worker_secrets", ["worker_id"])
