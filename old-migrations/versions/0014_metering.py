"""Memory over time, sums of runs and of days, caps of accounts, and a ledger that stays as it is.

Memory over time was not measured before and is 0 there; cpu and time of runs that have ended are
added up from their attempts. Days of before have neither.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

_SUM_UP = """
    UPDATE runs SET (busy_ms, cpu_ms) = (
        SELECT coalesce(sum(CASE WHEN a.started_at > 0 AND a.finished_at > a.started_at
                THEN a.finished_at - a.started_at ELSE 0 END), 0),
            coalesce(sum(a.cpu_ms), 0)
        FROM attempts a WHERE a.run_id = runs.id
    )
    WHERE finished_at > 0
"""
_REFUSAL = "the ledger is only ever added to"
_SQLITE = """
    CREATE TRIGGER ledger_no_{verb} BEFORE {verb} ON ledger
    BEGIN SELECT RAISE(ABORT, '{why}'); END
"""
_POSTGRES_FUNCTION = f"""
    CREATE FUNCTION ledger_stays() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$
"""
_POSTGRES = """
    CREATE TRIGGER ledger_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_stays()
"""


def upgrade() -> None:
    _added("attempts", "memory_mb_ms", BigInteger, "0")
    for table, names in (
        ("accounts", ("run_cap_micros", "month_cap_micros")),
        ("runs", ("busy_ms", "cpu_ms", "memory_mb_ms")),
        ("usage_days", ("cpu_ms", "memory_mb_ms")),
    ):
        for name in names:
            _added(table, name, BigInteger, "0")
    _added("runs", "bound", TEXT, "most")
    op.execute(_SUM_UP)
    _keep_the_ledger()


def _added(table: str, name: str, kind: Any, value: str) -> None:
    op.add_column(table, Column(name, kind, nullable=False, server_default=value))


def _keep_the_ledger() -> None:
    """No code of Fyke changes an entry; a trigger refuses it to other programs too."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(_SQLITE.format(verb=verb, why=_REFUSAL))
        return
    op.execute(_POSTGRES_FUNCTION)
    op.execute(_POSTGRES)
