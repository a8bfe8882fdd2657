"""Alembic executes this file, in the transaction of the connection from ``schema.upgrade``."""

from __future__ import annotations

from alembic import context

from fyke.storage.sql.results.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
