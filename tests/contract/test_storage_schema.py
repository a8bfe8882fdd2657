"""The contract of the state: migrations are atomic, run once, and never go back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, UniqueConstraint, inspect, text

from fyke.contracts.state import Transaction
from fyke.errors import Unavailable
from fyke.model.account import Plan
from fyke.model.attempt import AttemptEnd
from fyke.model.run import SUCCESS, RunFilter, RunState, UsageSample
from fyke.model.runner import AttemptUsage, Capacity
from fyke.storage.sql.dialects import for_reading, for_writing, make_engine
from fyke.storage.sql.schema import SchemaTooNew
from fyke.storage.sql.state.alerts import alerts
from fyke.storage.sql.state.check import check
from fyke.storage.sql.state.columns import VERSION_TABLE, metadata
from fyke.storage.sql.state.runs.admission import living_attempts, under_way_query
from fyke.storage.sql.state.runs.attempts import active_query
from fyke.storage.sql.state.runs.queues import queue_query
from fyke.storage.sql.state.runs.store import newest_query, page_query, past_query
from fyke.storage.sql.state.schema import SCHEMA, migrate
from fyke.storage.sql.state.storage import open_storage
from support import records

pytestmark = pytest.mark.anyio
State = Any
PROCESS = Path(__file__).parent.parent / "support" / "state_process.py"
LONG = [pytest.param(number, marks=pytest.mark.long) for number in (2, 3)]


@contextlib.contextmanager
def engine_at(url: str) -> Any:
    engine = make_engine(url, durable=True, pool_size=2)
    try:
        yield engine
    finally:
        engine.dispose()


def tables_of(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


@pytest.mark.slow
def test_an_empty_database_gets_exactly_the_declared_tables(database_url: str) -> None:
    with engine_at(database_url) as engine:
        before = SCHEMA.version(engine)
        assert (before.current, before.known, before.up_to_date) == ("", True, False)
        assert "fyke db migrate" in check(engine)[0]
        after = migrate(engine)
        assert after.up_to_date and after.current == before.head
        with engine.connect() as connection:
            options = {"version_table": VERSION_TABLE, "compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, metadata) == []
        assert tables_of(engine) == {*metadata.tables, VERSION_TABLE}
        assert check(engine) == []


def test_migrating_again_changes_nothing(state_url: str) -> None:
    with engine_at(state_url) as engine:
        assert migrate(state_url) == SCHEMA.version(engine) == migrate(engine)


def test_a_newer_database_is_refused_and_unchanged(state_url: str) -> None:
    with engine_at(state_url) as engine:
        with for_writing(engine).begin() as connection:
            connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 's9999'"))
        with pytest.raises(SchemaTooNew, match=r"newer version of Fyke.*s9999"):
            migrate(engine)
        assert SCHEMA.version(engine).current == "s9999"
        assert "s9999" in check(engine)[0]


def start_migration(url: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(PROCESS), "migrate", url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def resume(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.mark.slow
def test_two_concurrent_processes_migrate_once(database_url: str) -> None:
    processes = [start_migration(database_url) for _ in range(2)]
    for process in processes:
        resume(process)
    versions: list[str] = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        versions.append(json.loads(out))
    with engine_at(database_url) as engine:
        assert versions == [SCHEMA.version(engine).head] * 2
        assert check(engine) == []


def kill_and_start_again(url: str, after: float) -> bool:
    """Kill a migration after ``after`` seconds; return whether it was still running."""
    process = start_migration(url)
    resume(process)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    with engine_at(url) as engine:
        tables = tables_of(engine)
        if VERSION_TABLE not in tables or not SCHEMA.version(engine).current:
            # before: at most Alembic's own empty table
            assert tables <= {VERSION_TABLE}
        else:
            assert tables == {*metadata.tables, VERSION_TABLE}
        assert migrate(engine).up_to_date
        assert check(engine) == []
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, *LONG])
def test_a_killed_migration_is_atomic(database_url: str, number: int) -> None:
    after = random.Random(number).uniform(0.0, 0.15)
    killed = kill_and_start_again(database_url, after)
    assert killed or after > 0.01


@pytest.mark.long
@pytest.mark.parametrize("number", range(60))
def test_migrations_killed_at_sixty_moments_are_atomic(database_url: str, number: int) -> None:
    after = number * 0.005
    killed = kill_and_start_again(database_url, after)
    assert killed or after > 0.01


# --- plans ----------------------------------------------------------------------------------


def fill_with_history(connection: Connection, runs: int) -> None:
    """Past runs with an ended subtask and an attempt each."""
    sqlite = connection.dialect.name == "sqlite"
    series = (
        f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {runs})"
        if sqlite
        else f"WITH s AS (SELECT n FROM generate_series(1, {runs}) AS n)"
    )
    owner, worker = connection.execute(text("SELECT account_id, id FROM workers")).one()
    run_id = "substr('0000000' || n, -7)" if sqlite else "lpad(n::text, 7, '0')"
    insert_each(
        connection, "runs", "s", series, id=run_id, account_id=f"'{owner}'",
        worker_id=f"'{worker}'", state="CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'succeeded' END",
        created_at="n", finished_at="n", egress_allow="'[]'", origin="'api'",
    )  # fmt: skip
    insert_each(connection, "subtasks", "runs", run_id="id", state="'ended'")
    insert_each(
        connection, "attempts", "runs", id="id", run_id="id", runner_id="'r'", token="1",
        outcome="'succeeded'", started_at="1", finished_at="1",
    )  # fmt: skip


def insert_each(
    connection: Connection, table: str, source: str, series: str = "", /, **given: str
) -> None:
    """Insert a row for each of ``source``: SQL for some columns, and zero, false or empty text for
    others.
    """
    empty = {int: "0", float: "0", bool: "false"}
    columns = {
        c.name: empty.get(c.type.python_type, "''")
        for c in metadata.tables[table].columns
        if not c.nullable
    }
    columns |= given
    insert = f"INSERT INTO {table} ({', '.join(columns)})"
    start = (insert, series) if connection.dialect.name == "sqlite" else (series, insert)
    select = f"SELECT {', '.join(columns.values())} FROM {source}"
    connection.execute(text(" ".join((*start, select))))


def plan(connection: Connection, statement: Any, values: tuple[str, ...] = ()) -> str:
    if connection.dialect.name == "sqlite":
        explain, column = "EXPLAIN QUERY PLAN", 3
    else:
        explain, column = "EXPLAIN", 0
    if isinstance(statement, str):
        sql = statement
    else:
        compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
        sql = str(compiled)
    return "\n".join(row[column] for row in connection.exec_driver_sql(f"{explain} {sql}", values))


def reads_a_whole_table(line: str) -> bool:
    """Whether a line of a plan scans more than the few rows of a subquery."""
    of_subquery = "SCAN anon_" in line
    return "Seq Scan" in line or ("SCAN " in line and "USING" not in line and not of_subquery)


@pytest.mark.slow
@pytest.mark.new_database
async def test_frequent_queries_use_indexes(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    engine = state.storage.engine
    with for_writing(engine).begin() as connection:
        fill_with_history(connection, 20_000)
    await state.write(lambda tx: records.seed_run(tx, owner, worker_id, 3))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    with for_reading(engine).connect() as connection, connection.begin():
        queue = plan(connection, queue_query(connection, 10), ("default", 0, 0))
        assert "ix_subtasks_waiting_of_pool" in queue
        filters = [
            RunFilter(),
            RunFilter(states=(RunState.FAILED,)),
            RunFilter(states=(RunState.FAILED, RunState.READY)),
            RunFilter(worker_id=worker_id),
            RunFilter(created_from=5, created_until=900),
            RunFilter((RunState.FAILED,), worker_id, created_from=5),
        ]
        pages = [
            plan(connection, page_query(connection, owner, f, offset=100, limit=20))
            for f in filters
        ]
        last = [plan(connection, newest_query(connection, owner, of)) for of in (None, worker_id)]
        past = plan(connection, past_query(owner, worker_id, 1000))
        active = [plan(connection, active_query(of)) for of in (None, "a runner")]
    for query_plan in active:
        assert "ix_attempts_living" in query_plan or "ix_attempts_of_runner" in query_plan
    for query_plan in (queue, *pages, *last, past):
        assert not [line for line in query_plan.splitlines() if reads_a_whole_table(line)], (
            query_plan
        )
    assert "ix_runs_account_id_created_at_id" in pages[0]
    assert "ix_runs_account_id_state_created_at_id" in pages[1]
    if engine.dialect.name == "sqlite":  # not that of the Worker, for which it would read rows
        assert "COVERING INDEX ix_runs_account_id_created_at_id_and_facts" in pages[-1]
    for query_plan in last:  # read from the end of an index, never sorted
        assert "ix_runs_account_id" in query_plan
        assert "Sort" not in query_plan and "TEMP B-TREE" not in query_plan


@pytest.mark.slow
@pytest.mark.new_database
@pytest.mark.parametrize("analyzed", [True, False])
async def test_runs_that_wait_for_a_plan_are_skipped_without_reading_history(
    state: State, analyzed: bool
) -> None:
    owner, worker_id = await state.write(records.seed)
    engine = state.storage.engine
    if not analyzed and engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL gathers statistics by itself")
    with for_writing(engine).begin() as connection:
        fill_with_history(connection, 20_000)

    def add_runs(tx: Transaction) -> list[str]:
        tx.accounts.set_plan(owner, Plan.FREE)
        return [records.seed_run(tx, owner, worker_id).id for _ in range(300)]

    run_ids = await state.write(add_runs)
    await state.write(lambda tx: tx.runs.lease("runner", Capacity(9, 10**6, 2), 99))
    if analyzed:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    engine.dispose()  # SQLite reads the statistics when it opens the file
    with for_reading(engine).connect() as connection, connection.begin():
        past = queue_query(connection, 10, excluded=1, full=1, started=2)
        queue = plan(connection, past, ("default", 0, 0, owner, *run_ids[:2], run_ids[2]))
        going = plan(connection, under_way_query(connection, by_account=False))
        statement = text(f"SELECT r.id {living_attempts(connection)}")
        living = plan(connection, statement.bindparams(account=owner))
    assert "ix_runs_open_of_pool" in queue and "subtasks" in queue
    assert "SCAN r USING INDEX sqlite_autoindex" not in queue  # the runs of all time, in order
    assert "ix_runs_under_way" in going
    assert not [line for line in queue.splitlines() if reads_a_whole_table(line)], queue
    # reading all accounts is fine, because there are few; reading all runs or attempts is not
    scans = [line for line in going.splitlines() if reads_a_whole_table(line)]
    assert not [line for line in scans if "accounts" not in line], going
    assert "ix_attempts_living" in living or "ix_attempts_of_runner" in living, living
    assert "ix_runs_account_id" not in living, living  # the runs of all time


INDEXES_SINCE_S0011 = (
    "ix_runs_with_reason",
    "ix_runs_not_succeeded",
    "ix_runs_account_id_origin_created_at_id",
    "ix_runs_account_id_version_created_at_id",
    "ix_runs_open_of_pool",
    "ix_subtasks_waiting_of_pool",
    "ix_attempts_of_runner",
)
INDEXES_OF_S0010 = (
    "CREATE INDEX ix_attempts_leases ON attempts (lease_until) WHERE outcome IS NULL",
    "CREATE INDEX ix_runs_open ON runs (id, account_id, state) WHERE state IN ('ready', 'running')",
    "CREATE INDEX ix_subtasks_waiting ON subtasks (run_id, ordinal) WHERE state = 'waiting'",
)
COLUMNS_SINCE_S0010 = {
    "runs": (
        "subtasks_ended", "ended_cpu_ms", "ended_traffic_bytes", "ended_rows",
        "browser_cpus", "browser_memory_mb", "browser_ms", "browser_required",
        "browser_memory_asked", "browser_block", "browser_mode", "browser_program",
        "pool", "pool_asked", "labels", "region_of_node", "operators_worker", "max_retries",
        "environment",
    ),
    "subtasks": ("pool",),
    "attempts": (
        "browser_ms", "browser_cpu_ms", "browser_memory_peak_bytes", "browser_memory_mb_ms",
        "browser_version", "browser_memory_bytes", "node", "replaced",
        "progress_done", "progress_total", "progress_text",
    ),
    "run_events": ("number", "node"),
    "runners": (
        "idle_sandboxes", "idle_memory", "browsers", "browser_share", "browser_problem",
        "browser_programs", "browser_display", "pool", "labels", "settings_version",
        "environments", "disk_free", "disk_total", "disk_floor", "cache_bytes", "clock_ms", "sites",
    ),
    "servers": ("place", "settings_version"),
    "versions": ("browser", "browser_declared", "max_retries"),
    "uploads": ("browser", "browser_declared"),
    "run_samples": ("browser_memory_bytes",),
    "workers": ("current_version", "current_approved"),
    "webhook_endpoints": ("channel", "sealed"),
    "run_sites": ("statuses", "unseen"),
}  # fmt: skip


def create_older_alerts(connection: Connection) -> None:
    """An alert belonged to a run, and a rule had one for each."""
    alerts.drop(connection)
    made = MetaData(naming_convention=metadata.naming_convention)
    metadata.tables["accounts"].to_metadata(made)  # which it refers to
    older = alerts.to_metadata(made)
    later = ("ix_alerts_of_run", "ix_alerts_without_run")
    older.indexes -= {index for index in older.indexes if index.name in later}
    older.append_constraint(UniqueConstraint("rule_id", "run_id"))
    older.create(connection)


async def test_the_upgrade_counts_the_ended_subtasks_and_usage_of_open_runs(state: State) -> None:
    stages = (RunState.RUNNING, RunState.ABORTING)

    def before(tx: Transaction) -> list[str]:
        owner, worker = records.seed(tx)
        ids = [records.seed_run(tx, owner, worker, 3, state=stage).id for stage in stages]
        wide = Capacity(100, 10**6, 100)
        for run_id in ids:
            tx.runs.end_subtask(run_id, 1, SUCCESS)
        for lease in tx.runs.lease("r1", wide, tx.now + 60_000):
            ended = AttemptEnd(SUCCESS, AttemptUsage(traffic_bytes=5, cpu_ms=3))
            assert tx.runs.end_attempt(lease.attempt.key, ended, 7, 0)
        return ids

    ids = await state.write(before)
    with engine_at(state.url) as engine, for_writing(engine).begin() as connection:
        connection.exec_driver_sql("DROP VIEW demand")
        create_older_alerts(connection)
        for name in INDEXES_SINCE_S0011:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        for create in INDEXES_OF_S0010:
            connection.exec_driver_sql(create)
        for table, names in COLUMNS_SINCE_S0010.items():
            for name in names:
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {name}")
        for table in (
            "run_browser",
            "run_last_pages",
            "nodes",
            "node_tokens",
            "settings_versions",
            "environment_archives",
            "run_traces",
            "version_tags",
            "run_marks",
        ):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = 's0010'")
    assert migrate(state.url).up_to_date
    left = await state.read(lambda tx: [tx.runs.subtasks_left(run_id) for run_id in ids])
    assert left == [2, 2]
    running = await state.read(lambda tx: tx.samples.measure(ids, 1)[ids[0]])
    assert running == UsageSample(ids[0], 1, cpu_ms=6, memory_bytes=0, traffic_bytes=10, rows=14)


# --- a database that cannot be reached ------------------------------------------------------


async def test_a_database_that_is_down_is_unavailable(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none/state.db", f"postgresql://x@/y?host={tmp_path}"):
        storage = open_storage(url, durable=True, notify=str, hiding=frozenset())
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await storage.read(lambda tx: tx.accounts.all())
        with pytest.raises(Unavailable):
            await storage.write(lambda tx: tx.accounts.all())
        assert time.monotonic() - started < 5
        await storage.close()


def test_migrating_without_a_database_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        migrate(f"postgres://x@/y?host={tmp_path}")


@pytest.mark.slow
def test_migrations_run_from_any_folder(tmp_path: Path) -> None:
    """Migrate with a copy of the package outside of the repository, like an installed wheel."""
    source = Path(sys.modules["fyke"].__file__ or "").parent
    shutil.copytree(source, tmp_path / "lib" / "fyke", ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import sys, fyke; from fyke.storage.sql.state.schema import migrate;"
        "print(fyke.__file__); print(migrate(sys.argv[1]).up_to_date)"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "lib")}
    process = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{tmp_path}/a%20b/state.db"],
        check=True, capture_output=True, text=True, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout.splitlines() == [str(tmp_path / "lib" / "fyke" / "__init__.py"), "True"]
