"""The secrets that a version says it needs."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Versions of before name none."""
    op.add_column("versions", Column("secrets", TEXT, nullable=False, server_default="[]"))
