"""The databases of releases, kept as SQL in ``tests/data/releases/VERSION``.

    PYTHONPATH=src:clients/python/src:tests .venv/bin/python \\
        tests/support/release_database.py VERSION

writes the databases of this tree. Run it once, in the commit that is released. The tests migrate
the databases of each release to the current tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.state.commits import commit_marks
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.transaction import SqlTransaction
from support import full_state
from support.postgres import binary, running_postgres

RELEASES = Path(__file__).parents[1] / "data" / "releases"
STATE, RESULTS, POSTGRESQL = "state.sqlite.sql", "results.sqlite.sql", "postgresql.sql"
ROW = b'{"title":"caf\xc3\xa9"}'
HEADER = Header("Title", "title", "text")
LINE = NewLogEntry(2, "worker", "one page read", full_state.AT)


def fill(state: str, results: str) -> None:
    """Migrate both databases and fill them."""
    migrate(state)
    migrate_results(results)
    engine = make_engine(state, durable=False)
    with for_writing(engine).begin() as connection:
        tx = SqlTransaction(connection, hiding=frozenset(), clock=lambda: full_state.AT)
        full_state.fill(tx)
        tx.finish()
        mark = {"writer": "W1", "number": 1, "marked_at": full_state.AT}  # only PostgreSQL has them
        connection.execute(commit_marks.insert(), mark)
    engine.dispose()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_fill_results(results, Path(folder)))


async def _fill_results(url: str, folder: Path) -> None:
    """Three runs: one to be read, one whose attempts share a row, and one with its rows in a file,
    which is in ``folder`` and is not kept.
    """
    store = open_results(url, durable=False, blobs=FilesystemBlobs(folder))
    rows = [PushedRow(ROW), PushedRow(ROW, "id", "7")]
    for run, attempt in (("run", "attempt"), ("shared", "a"), ("shared", "b"), ("sealed", "c")):
        await store.open_attempt(run, attempt)
        await store.commit([AttemptBatch(run, attempt, rows, [HEADER], [LINE])])
        await store.close_attempt(attempt)
    await store.seal_runs(["sealed"], 1)
    await store.close()


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as home:
        state, results = Path(home, "state.db"), Path(home, "rows.db")
        fill(f"sqlite:///{state}", f"sqlite:///{results}")
        for file, name in ((state, STATE), (results, RESULTS)):
            with contextlib.closing(sqlite3.connect(file)) as connection:
                (folder / name).write_text("\n".join(connection.iterdump()) + "\n")
    with running_postgres() as server:
        url = server.new_database()
        fill(url, url)
        (folder / POSTGRESQL).write_text(_dump(url))


def _dump(url: str) -> str:
    command = [binary("pg_dump"), "--inserts", "--no-owner", "--no-privileges"]
    dumped = subprocess.run(
        [*command, url.replace("+psycopg", "")], check=True, capture_output=True, text=True
    ).stdout
    # without comments, which name versions, and without psql's own commands
    lines = [line for line in dumped.splitlines() if not line.startswith(("--", "\\"))]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip() + "\n"


def load(folder: Path, state: str, results: str) -> None:
    """Create the databases of a release at these URLs, both SQLite or both PostgreSQL."""
    if state.startswith("sqlite"):
        for url, name in ((state, STATE), (results, RESULTS)):
            with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
                file.executescript((folder / name).read_text())
        return
    with psycopg.connect(state.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute((folder / POSTGRESQL).read_bytes())


if __name__ == "__main__":
    write(RELEASES / sys.argv[1])
