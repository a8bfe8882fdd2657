"""Success rates and counts of the catalog, favourites, and what the form begins with.

What past runs say is counted once, here. ``recent`` is built in Python, because the databases join
texts in ways of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Connection, ForeignKey, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_SUMS = """
    SELECT worker_id, count(*) AS runs,
        sum(CASE WHEN outcome = 'succeeded' THEN 1 ELSE 0 END) AS succeeded,
        sum(CASE WHEN outcome NOT IN ('succeeded', 'aborted', 'traffic_cap', 'charge_cap',
            'worker_deleted', 'isolation_refused', 'runner_lost', 'internal')
            THEN 1 ELSE 0 END) AS failed,
        max(CASE WHEN outcome = 'succeeded' THEN finished_at ELSE 0 END) AS last_ok_at
    FROM runs WHERE finished_at > 0 GROUP BY worker_id
"""
_LATEST = """
    SELECT worker_id, outcome FROM (
        SELECT worker_id, outcome, finished_at, id, row_number() OVER (
            PARTITION BY worker_id ORDER BY finished_at DESC, id DESC
        ) AS place
        FROM runs WHERE finished_at > 0 AND outcome NOT IN ('aborted', 'traffic_cap', 'charge_cap',
            'worker_deleted', 'isolation_refused', 'runner_lost', 'internal')
    ) AS ended
    WHERE place <= 30 ORDER BY worker_id, finished_at, id
"""


def upgrade() -> None:
    op.add_column("versions", Column("notice", TEXT, nullable=False, server_default=""))
    op.create_table(
        "worker_facts",
        Column("worker_id", TEXT, nullable=False),
        Column("runs", BigInteger, nullable=False),
        Column("succeeded", BigInteger, nullable=False),
        Column("failed", BigInteger, nullable=False),
        Column("last_ok_at", BigInteger, nullable=False),
        Column("recent", TEXT, nullable=False),
        PrimaryKeyConstraint("worker_id", name="pk_worker_facts"),
    )
    op.create_table(
        "version_facts",
        Column(
            "version_id",
            TEXT,
            ForeignKey("versions.id", name="fk_version_facts_version_id"),
            nullable=False,
        ),
        Column("size", BigInteger, nullable=False),
        Column("findings", TEXT, nullable=False),
        PrimaryKeyConstraint("version_id", name="pk_version_facts"),
    )
    op.create_table(
        "worker_categories",
        Column(
            "worker_id",
            TEXT,
            ForeignKey("workers.id", name="fk_worker_categories_worker_id"),
            nullable=False,
        ),
        Column("category", BigInteger, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("worker_id", "category", name="pk_worker_categories"),
    )
    op.create_index(
        "ix_worker_categories_category_worker_id", "worker_categories", ["category", "worker_id"]
    )
    op.create_table(
        "favourites",
        Column("user_id", TEXT, nullable=False),
        Column(
            "worker_id",
            TEXT,
            ForeignKey("workers.id", name="fk_favourites_worker_id"),
            nullable=False,
        ),
        Column("added_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("user_id", "worker_id", name="pk_favourites"),
    )
    op.create_table(
        "input_defaults",
        Column("user_id", TEXT, nullable=False),
        Column(
            "worker_id",
            TEXT,
            ForeignKey("workers.id", name="fk_input_defaults_worker_id"),
            nullable=False,
        ),
        Column("input_json", TEXT, nullable=False),
        Column("saved_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("user_id", "worker_id", name="pk_input_defaults"),
    )
    connection = op.get_bind()
    _count_past_runs(connection)
    _spread_categories(connection)


def _count_past_runs(connection: Connection) -> None:
    recent: dict[str, str] = {}
    for worker_id, outcome in connection.execute(text(_LATEST)):
        sign = "+" if outcome == "succeeded" else "-"
        recent[worker_id] = recent.get(worker_id, "") + sign
    rows = [
        {**row, "recent": recent.get(row["worker_id"], "")}
        for row in connection.execute(text(_SUMS)).mappings()
    ]
    _insert(
        connection,
        "INSERT INTO worker_facts (worker_id, runs, succeeded, failed, last_ok_at, recent)"
        " VALUES (:worker_id, :runs, :succeeded, :failed, :last_ok_at, :recent)",
        rows,
    )


def _spread_categories(connection: Connection) -> None:
    found = connection.execute(text("SELECT id, categories FROM workers WHERE categories <> '[]'"))
    rows = [
        {"worker_id": worker_id, "category": category}
        for worker_id, categories in found
        for category in dict.fromkeys(json.loads(categories))
    ]
    _insert(
        connection,
        "INSERT INTO worker_categories (worker_id, category) VALUES (:worker_id, :category)",
        rows,
    )


def _insert(connection: Connection, statement: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    if rows:
        connection.execute(text(statement), rows)
