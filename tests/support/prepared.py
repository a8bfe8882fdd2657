"""SQLite files with the current tables and no rows, migrated once in each process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.state.schema import migrate

STATE, ROWS = "state.db", "rows.db"


def state_in(folder: Path) -> str:
    """The URL of a new state database, ``state.db`` in the folder."""
    return _written(folder, STATE)


def rows_in(folder: Path) -> str:
    """The URL of a new results database, ``rows.db`` in the folder."""
    return _written(folder, ROWS)


def _written(folder: Path, name: str) -> str:
    (folder / name).write_bytes(_empty(name))
    return f"sqlite:///{folder / name}"


@cache
def _empty(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        (migrate if name == STATE else migrate_results)(f"sqlite:///{file}")
        return file.read_bytes()
