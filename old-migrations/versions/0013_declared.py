"""What a version declares about itself, and which workers may build their dependencies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Boolean, Column, Text
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Versions of before declare nothing: every public site, and ready-made packages only."""
    op.add_column("versions", Column("egress", TEXT, nullable=True))
    op.add_column("versions", Column("builds", Boolean, nullable=False, server_default=sa.false()))
    op.add_column(
        "workers", Column("builds_allowed", Boolean, nullable=False, server_default=sa.false())
    )
