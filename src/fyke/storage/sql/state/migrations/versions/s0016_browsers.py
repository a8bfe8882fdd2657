"""What a run reserves for its browsers, and what each attempt used of them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Double

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0016"
down_revision = "s0015"
branch_labels = None
depends_on = None

_USAGE = "browser_ms", "browser_cpu_ms", "browser_memory_peak_bytes", "browser_memory_mb_ms"


def upgrade() -> None:
    op.add_column("runs", Column("browser_cpus", Double, nullable=False, server_default="0"))
    _add("runs", "browser_memory_mb")
    for name in _USAGE:
        _add("attempts", name)
    op.add_column("attempts", Column("browser_version", TEXT, nullable=False, server_default=""))


def _add(table: str, name: str) -> None:
    op.add_column(table, Column(name, BigInteger, nullable=False, server_default="0"))
