"""What Alembic runs: the migrations on the connection that ``schema.migrate`` has opened.

Each migration is one transaction on both databases, its version number included, so a process
that is killed leaves the schema before it or after it.
"""

from __future__ import annotations

from alembic import context

from fyke.storage.sql.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transaction_per_migration=True,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
