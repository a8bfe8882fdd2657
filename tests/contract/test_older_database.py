"""A database from before release 0.1.0 is refused unchanged; its conversion is atomic."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, MetaData, Table, select, text

from fyke.domain.workers.facts import RECENT, verdict
from fyke.errors import Conflict
from fyke.model.placement import PoolDemand
from fyke.model.run import Outcome
from fyke.storage.sql.dialects import for_writing, make_engine, sqlite_file
from fyke.storage.sql.revisions import revisions
from fyke.storage.sql.schema import SchemaTooNew, SchemaTooOld, SchemaVersion
from fyke.storage.sql.state.check import check
from fyke.storage.sql.state.columns import VERSION_TABLE, metadata
from fyke.storage.sql.state.schema import SCHEMA, convert, migrate
from support.older_database import CHAIN, add, make_old
from support.schema_shape import shape

PROCESS = Path(__file__).parent.parent / "support" / "state_process.py"
BERLIN_MIDNIGHT = 1_793_487_600_000  # 2026-11-01 in Berlin
DAY = 86_400_000
LONG = [pytest.param(number, marks=pytest.mark.long) for number in (2, 3)]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, durable=False, pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def fresh(fresh_url: str) -> Iterator[Engine]:
    """The database of a new installation."""
    engine = make_engine(fresh_url, durable=False, pool_size=2)
    yield engine
    engine.dispose()


def content(engine: Engine) -> str:
    """A digest of all rows, and of the file if the database is one."""
    reflected = MetaData()
    with engine.connect() as connection:
        reflected.reflect(connection)
        rows = {
            name: sorted(map(repr, connection.execute(select(table))))
            for name, table in reflected.tables.items()
        }
    file = sqlite_file(engine)
    rows["(file)"] = [hashlib.sha256(file.read_bytes()).hexdigest()] if file else []
    return json.dumps(rows, sort_keys=True)


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["0001", pytest.param("0009", marks=pytest.mark.long), "head"])
def test_an_older_database_is_refused_and_unchanged(engine: Engine, revision: str) -> None:
    make_old(engine, revision)
    with for_writing(engine).begin() as connection:
        add(connection, "accounts", id="A", name="a")
    engine.dispose()
    before = content(engine), shape(engine)
    with pytest.raises(SchemaTooOld, match=r"before release 0\.1\.0.* not changed.*fyke db conv"):
        migrate(engine)
    assert "fyke db convert" in check(engine)[0]
    engine.dispose()
    assert (content(engine), shape(engine)) == before


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["0001", pytest.param("0012", marks=pytest.mark.long), "head"])
def test_a_converted_database_has_the_tables_of_a_new_installation(
    engine: Engine, fresh: Engine, revision: str
) -> None:
    make_old(engine, revision)
    assert convert(engine, CHAIN).up_to_date
    assert shape(engine) == shape(fresh)
    assert check(engine) == []
    assert migrate(engine) == SCHEMA.version(fresh)


def test_a_new_installation_has_the_tables_that_the_stores_declare(
    engine: Engine, fresh: Engine
) -> None:
    metadata.create_all(engine)
    declared, created = shape(engine), shape(fresh)
    assert declared <= created
    additional = [part for part in created - declared if VERSION_TABLE not in part[:2]]
    views = [part for part in additional if "demand" in part[:2]]
    assert len(views) == (1 if sqlite_file(engine) else len(fields(PoolDemand)))
    additional = [part for part in additional if part not in views]
    triggers = ["ledger_no_delete", "ledger_no_update"] if sqlite_file(engine) else ["ledger_stays"]
    assert sorted(part[1] for part in additional) == triggers


def test_every_older_revision_is_known_and_in_the_wheel() -> None:
    known = {
        name for name in revisions(CHAIN) if SchemaVersion(name, "s0001", False).before_releases
    }
    assert known == set(revisions(CHAIN)) and len(known) == 19
    wheel = tomllib.loads((PROCESS.parents[2] / "pyproject.toml").read_text())["tool"]["hatch"][
        "build"
    ]["targets"]
    assert wheel["wheel"]["force-include"][CHAIN.name] == f"fyke/assets/{CHAIN.name}"


@pytest.mark.slow
def test_only_an_older_database_can_be_converted(engine: Engine) -> None:
    with pytest.raises(Conflict, match="no conversion: it is empty"):
        convert(engine, CHAIN)
    migrate(engine)
    with pytest.raises(
        Conflict, match=f"no conversion: its revision is {SCHEMA.version(engine).head}"
    ):
        convert(engine, CHAIN)
    with for_writing(engine).begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 's9999'"))
    with pytest.raises(SchemaTooNew):
        convert(engine, CHAIN)


def kill_and_convert_again(engine: Engine, url: str, after: float) -> bool:
    """Kill a conversion after ``after`` seconds; return whether it was still running."""
    make_old(engine, "0001")
    with for_writing(engine).begin() as connection:
        add(connection, "accounts", id="A", name="a")
    old = shape(engine)
    process = subprocess.Popen(
        [sys.executable, str(PROCESS), "convert", url, str(CHAIN)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    version = SCHEMA.version(engine)
    if version.before_releases:
        assert (version.current, shape(engine)) == ("0001", old)
        convert(engine, CHAIN)
    assert SCHEMA.version(engine).up_to_date
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id, plan FROM accounts")).all() == [
            ("A", "unlimited")
        ]
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, *LONG])
def test_a_killed_conversion_is_atomic(engine: Engine, database_url: str, number: int) -> None:
    after = random.Random(number).uniform(0.0, 0.3)
    killed = kill_and_convert_again(engine, database_url, after)
    assert killed or after > 0.01


# --- sums computed by the old migrations ----------------------------------------------------


def fill(connection: Connection) -> None:
    add(connection, "accounts", id="A", name="a", time_zone="Europe/Berlin", plan="free")
    add(connection, "accounts", id="B", name="b", time_zone="Gone/Away", plan="free")
    add(connection, "workers", id="W", account_id="A", owner="a", name="w", categories="[]")
    ended: dict[str, object] = {
        "account_id": "A",
        "worker_id": "W",
        "egress_allow": "[]",
        "origin": "api",
    }
    ended["started_at"] = BERLIN_MIDNIGHT - 5_000
    for number, (state, at) in enumerate(
        [("succeeded", -1), ("failed", 0), ("aborted", 1), ("succeeded", DAY), ("running", 0)]
    ):
        is_ended = state != "running"
        add(
            connection, "runs", **ended, id=f"R{number}", state=state, task_id="T" * is_ended,
            key_id="K", results=3, traffic_bytes=7,
            finished_at=BERLIN_MIDNIGHT + at if is_ended else 0,
        )  # fmt: skip
    booked = [("R0", "usage", -40), ("R1", "usage", -2), ("", "credit", 500), ("R0", "hold", -99)]
    booked += [("gone", "usage", -5)]  # of a run that was deleted
    for number, (run, kind, amount) in enumerate(booked):
        at = BERLIN_MIDNIGHT - (run == "R0")
        money = {"kind": kind, "usd_micros": amount, "run_id": run}
        add(connection, "ledger", id=f"L{number}", account_id="A", at=at, **money)
    credit = {"kind": "credit", "usd_micros": 1}
    add(connection, "ledger", id="L9", account_id="B", at=BERLIN_MIDNIGHT, **credit)


@pytest.mark.slow
def test_past_usage_is_summed_by_day_and_part(engine: Engine) -> None:
    make_old(engine, "0009")
    with for_writing(engine).begin() as connection:
        fill(connection)
    assert convert(engine, CHAIN).up_to_date
    with engine.connect() as connection:
        table = Table("usage_days", MetaData(), autoload_with=connection)
        rows = connection.execute(select(table)).mappings().all()
    of = {(r["account_id"], r["part"], r["day"], r["ref"]): r for r in rows}

    def sums(account: str, part: str, day: int, ref: str = "") -> tuple[int, ...]:
        row = of[account, part, day, ref]
        names = ("runs", "failed", "aborted", "results", "usage_micros", "credited_micros")
        return tuple(int(row[name]) for name in names)

    october, november = 20261031, 20261101
    assert sums("A", "", october) == (1, 0, 0, 3, 40, 0)
    assert sums("A", "", november) == (2, 1, 1, 6, 7, 500)
    assert sums("A", "", 20261102) == (1, 0, 0, 3, 0, 0)
    assert sums("A", "worker", november, "W") == (2, 1, 1, 6, 2, 0)
    assert sums("A", "worker", november) == (0, 0, 0, 0, 5, 500)  # the account is unknown
    assert sums("A", "task", october, "T") == sums("A", "key", october, "K") == (1, 0, 0, 3, 40, 0)
    assert sums("B", "", october) == (0, 0, 0, 0, 0, 1)  # by UTC, because B's zone is unknown
    total = of["A", "", november, ""]
    assert (total["traffic_bytes"], total["run_ms"]) == (14, 5_000 + 5_001)


@pytest.mark.slow
def test_ended_runs_get_the_sums_of_their_attempts(engine: Engine) -> None:
    attempts = [("R0", 1_000, 3_500, 7), ("R0", 2_000, 2_500, 8)]
    attempts += [("R1", 0, 900, 1), ("R4", 5, 0, 9)]
    make_old(engine, "0009")
    with for_writing(engine).begin() as connection:
        fill(connection)
        for number, (run, started, finished, cpu) in enumerate(attempts):
            add(
                connection, "attempts", id=f"A{number}", run_id=run, ordinal=number,
                started_at=started, finished_at=finished, cpu_ms=cpu,
            )  # fmt: skip
    assert convert(engine, CHAIN).up_to_date
    with engine.connect() as connection:
        table = Table("runs", MetaData(), autoload_with=connection)
        rows = {row["id"]: row for row in connection.execute(select(table)).mappings()}
    sums = {name: (row["busy_ms"], row["cpu_ms"]) for name, row in rows.items()}
    # R1 never ran its Worker, R2 and R3 had no attempt, R4 is active
    assert sums == {"R0": (3_000, 15), "R1": (0, 1), "R2": (0, 0), "R3": (0, 0), "R4": (0, 0)}
    assert {(row["memory_mb_ms"], row["bound"]) for row in rows.values()} == {(0, "most")}


@pytest.mark.slow
def test_past_runs_are_counted_for_their_worker(engine: Engine) -> None:
    choose = ["succeeded", "exit_code", "aborted", "internal"]
    outcomes = [random.Random(n).choice(choose) for n in range(50)]
    make_old(engine, "0010")
    with for_writing(engine).begin() as connection:
        add(connection, "accounts", id="a", name="a")
        owned = {"account_id": "a", "owner": "a"}
        add(connection, "workers", id="w", name="w", categories="[3, 7]", **owned)
        for n, outcome in enumerate(outcomes):
            ended = {"outcome": outcome, "created_at": 1, "finished_at": 100 + n}
            add(connection, "runs", id=f"{n:03d}", account_id="a", worker_id="w", **ended)
        add(connection, "runs", id="open", account_id="a", worker_id="w", outcome=None)
    assert convert(engine, CHAIN).up_to_date
    with engine.connect() as connection:
        [facts] = connection.execute(text("SELECT * FROM worker_facts")).mappings().all()
        rows = connection.execute(text("SELECT worker_id, category FROM worker_categories"))
        assert sorted(map(tuple, rows)) == [("w", 3), ("w", 7)]
    signs = "".join(verdict(Outcome(outcome)) for outcome in outcomes)
    good = [n for n, outcome in enumerate(outcomes) if outcome == "succeeded"]
    assert dict(facts) == {
        "worker_id": "w", "runs": 50, "succeeded": len(good), "failed": signs.count("-"),
        "last_ok_at": 100 + good[-1], "recent": signs[-RECENT:],
    }  # fmt: skip
