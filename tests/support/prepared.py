"""SQLite files with the current tables, migrated once in each process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fyke.model.runner import Capacity
from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.transaction import SqlTransaction
from support import records

STATE, ROWS = "state.db", "rows.db"


def state_in(folder: Path) -> str:
    """The URL of a new state database, ``state.db`` in the folder."""
    return _written(folder, STATE)


def rows_in(folder: Path) -> str:
    """The URL of a new results database, ``rows.db`` in the folder."""
    return _written(folder, ROWS)


def leased_in(folder: Path) -> list[tuple[str, str]]:
    """Run and attempt of two leased subtasks of one run, in a new ``state.db`` in the folder."""
    engine = make_engine(state_in(folder), durable=False)
    with for_writing(engine).begin() as connection:
        tx = SqlTransaction(connection, hiding=frozenset())
        owner, worker = records.seed(tx)
        records.seed_run(tx, owner, worker, 2)
        leases = tx.runs.lease("r", Capacity(2, 9000, 9), 100)
        tx.finish()
    engine.dispose()
    return [(lease.run.id, lease.attempt.id) for lease in leases]


def _written(folder: Path, name: str) -> str:
    (folder / name).write_bytes(_empty(name))
    return f"sqlite:///{folder / name}"


@cache
def _empty(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        (migrate if name == STATE else migrate_results)(f"sqlite:///{file}")
        return file.read_bytes()
