"""Alerts about planned starts that were refused, and their messages, belong to no run.

SQLite copies the table of the messages, and dropping the old one removes their tries by cascade.
They are kept in a table on disk: a temporary one would be in memory, and nothing limits their
number.

A server of the previous release may be raising an alert: it locks alerts before messages, and so
does this.
"""

from __future__ import annotations

from alembic import op

from fyke.storage.sql.state.migrations.ddl import TEXT, index

revision = "s0046"
down_revision = "s0044"
branch_labels = None
depends_on = None

NOT_ONLY_ADDED = (
    "two rules of the tables are relaxed, which what the previous release writes satisfies too. "
    "It cannot read a message without a run: while one is due, only the new servers send messages."
)


def upgrade() -> None:
    with op.batch_alter_table("alerts") as table:
        table.drop_constraint("uq_alerts_rule_id_run_id", type_="unique")
    index("ix_alerts_of_run", "alerts", "rule_id run_id", "run_id <> ''", unique=True)
    index("ix_alerts_without_run", "alerts", "rule_id task_id at", "run_id = ''")
    copied = op.get_bind().dialect.name == "sqlite"
    if copied:
        op.execute("CREATE TABLE kept_tries AS SELECT * FROM delivery_tries")
    with op.batch_alter_table("deliveries") as table:
        table.alter_column("run_id", existing_type=TEXT, nullable=True)
    if copied:
        op.execute("INSERT INTO delivery_tries SELECT * FROM kept_tries")
        op.execute("DROP TABLE kept_tries")
