"""What Alembic runs: the migrations on the connection that ``Schema.migrate`` has opened.

All that is missing is one transaction on both databases, the revision included, so a process that
is killed leaves the schema of the release before or of this one.
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
