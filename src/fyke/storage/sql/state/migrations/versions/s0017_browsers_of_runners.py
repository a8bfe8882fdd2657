"""How many attempts of a runner may have a browser, and the part of its limits that each reserves.

A runner writes both with its next heartbeat.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Double

revision = "s0017"
down_revision = "s0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (("browsers", BigInteger), ("browser_share", Double)):
        op.add_column("runners", Column(name, kind, nullable=False, server_default="0"))
