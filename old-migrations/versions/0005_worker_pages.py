"""Categories and icon of a worker, and workers that were deleted."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects import postgresql

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind, value in (
        ("categories", TEXT, "[]"),
        ("icon", TEXT, ""),
        ("deleted_at", BigInteger, "0"),
    ):
        column: Column[Any] = Column(name, kind, nullable=False, server_default=value)
        op.add_column("workers", column)
