"""State and rows in one PostgreSQL database are compared like two files of SQLite. The rules are
tested one by one in ``unit/storage/sql/test_consistency.py``, with SQLite.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import psycopg
import pytest

from fyke.app.maintenance import check
from fyke.model.results import AttemptBatch
from fyke.model.runner import Capacity
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql import consistency
from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.transaction import SqlTransaction
from support import records
from support.rows import plain, upsert

pytestmark = pytest.mark.anyio


async def test_state_and_rows_in_one_database_are_compared(
    postgres_url: str, tmp_path: Path
) -> None:
    migrate(postgres_url)
    migrate_results(postgres_url)
    engine = make_engine(postgres_url, durable=False)
    with for_writing(engine).begin() as connection:
        tx = SqlTransaction(connection, hiding=frozenset())
        owner, worker = records.seed(tx)
        records.seed_run(tx, owner, worker, 1)
        [lease] = tx.runs.lease("r", Capacity(2, 9000, 9), 100)
        tx.finish()
    run, attempt = lease.run.id, lease.attempt.id
    store = open_results(postgres_url, durable=False)
    for attempt_id in (attempt, "lost"):
        await store.open_attempt(run, attempt_id)
        rows = [*plain(1, 2), upsert(b'{"n":3}')]
        await store.commit([AttemptBatch(run, attempt_id, rows)])
    await store.close()

    settings = Settings(home=tmp_path, database_url=postgres_url)
    lost = (
        f"there are 2 rows of attempt lost of run {run}, which does not exist; they are not shown"
    )
    assert consistency.check_database(engine) == [lost]
    assert [finding for finding in check(settings) if "bundle" not in finding] == [lost]
    with contextlib.closing(
        psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True)
    ) as database:
        database.execute("UPDATE results_attempts SET bytes = bytes + 1 WHERE attempt_id <> 'lost'")
        database.execute("UPDATE attempts SET outcome = 'succeeded', rows = 9")
        database.execute("UPDATE runs SET state = 'succeeded', results = 8")
        database.execute("UPDATE results_runs SET rows = 7")
        database.execute(
            "INSERT INTO results_runs (run_id, rows, log_entries) VALUES ('gone', 1, 2)"
        )
        database.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_stays")
    differences = "\n".join(consistency.check_database(engine))
    for text in (
        "1 rows of run gone",
        "ended with 9 rows but 3 are stored",
        "has 8 results but its attempts add up to 9",
        f"attempt {attempt} of run {run} counts 3 rows of",
        "has positions for 7 rows but its attempts count 5",
        "the log of run gone counts 2 lines but 0 are stored",
    ):
        assert text in differences
    assert any("trigger ledger_stays is missing or disabled" in text for text in check(settings))
    engine.dispose()


async def test_rows_in_files_are_compared(postgres_url: str, tmp_path: Path) -> None:
    migrate(postgres_url)
    migrate_results(postgres_url)
    settings = Settings(home=tmp_path, database_url=postgres_url)
    blobs = FilesystemBlobs(settings.blobs_dir, durable=False)
    store = open_results(postgres_url, durable=False, blobs=blobs)
    await store.open_attempt("run", "attempt")
    await store.commit([AttemptBatch("run", "attempt", plain(1, 2, 3))])
    await store.close_attempt("attempt")
    await store.seal_runs(["run"], 1)
    await store.close()

    def faults() -> list[str]:
        return [fault for fault in check(settings) if "which does not exist" not in fault]

    assert faults() == []
    [file] = (settings.blobs_dir / "rows").iterdir()
    file.unlink()
    [fault] = faults()
    assert fault.startswith(f"the file rows/{file.name} with 3 rows of run run cannot be read")
    engine = make_engine(postgres_url, durable=False)
    with for_writing(engine).begin() as connection:
        connection.exec_driver_sql("UPDATE results_frames SET rows = 2")
        connection.exec_driver_sql("UPDATE results_runs SET rows = 4")
    engine.dispose()
    text = "\n".join(faults())
    assert "run run has 3 rows in its file but the frames have 2" in text
    assert "run run has positions for 1 rows after those in its file but 0 are stored" in text
