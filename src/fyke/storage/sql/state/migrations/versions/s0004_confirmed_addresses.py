"""When a user confirmed that the name is the user's mail address."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, text

revision = "s0004"
down_revision = "s0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    confirmed_at = Column("confirmed_at", BigInteger, nullable=False, server_default=text("0"))
    op.add_column("users", confirmed_at)
