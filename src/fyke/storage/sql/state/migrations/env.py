"""Alembic executes this file to run the migrations on the connection from ``Schema.migrate``.

All missing migrations and the new revision are one transaction on both databases, so a process
that is killed leaves the schema of the previous release or of this one.
"""

from __future__ import annotations

from alembic import context

from fyke.storage.sql.state.columns import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
