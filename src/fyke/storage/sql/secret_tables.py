"""The table of the secrets that accounts keep for workers. What it holds opens nothing without the
key, which is not in the database.
"""

from __future__ import annotations

from sqlalchemy import Index, Table

from fyke.storage.sql.columns import metadata, number_column, ref_column, text_column

worker_secrets = Table(
    "worker_secrets",
    metadata,
    ref_column("account_id", "accounts.id", key=True),
    ref_column("worker_id", "workers.id", key=True),
    text_column("name", key=True),
    text_column("key_id"),  # which key it was sealed with
    text_column("sealed"),  # base64
    text_column("set_by"),
    number_column("set_at"),
    number_column("used_at"),
    Index(None, "worker_id"),
)
