"""The checks of a runner's sandbox, and whether it may run Workers without isolation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Boolean, Column, Text
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("runners", Column("checks", TEXT, nullable=False, server_default="[]"))
    op.add_column("runners", Column("unsafe", Boolean, nullable=False, server_default=sa.false()))
