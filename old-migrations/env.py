"""What Alembic runs for ``fyke db convert``: the migrations on the connection that it was given,
inside the transaction of that connection.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import MetaData

# the names of constraints, as these migrations expect them
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="state_version",
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
