"""An older database keeps its past: what was used is added up when the tables come up to date."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, MetaData, Table, insert, select

from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.state.schema import _config, migrate

BERLIN_MIDNIGHT = 1_793_487_600_000  # 2026-11-01 there
DAY = 86_400_000


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database as version 0009 left it."""
    engine = make_engine(database_url, durable=False, pool_size=2)
    config = _config()
    with for_writing(engine).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
    yield engine
    engine.dispose()


def add(connection: Connection, table_name: str, /, **values: object) -> None:
    """A row of which only ``values`` matter."""
    table = Table(table_name, MetaData(), autoload_with=connection)
    filled = {
        column.name: values.get(column.name, _nothing(column.type.python_type))
        for column in table.columns
        if column.name != "seq" and (column.name in values or not column.nullable)
    }
    connection.execute(insert(table).values(filled))


def _nothing(kind: type) -> object:
    return {bool: False, int: 0, float: 0.0}.get(kind, "")


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
        over = state != "running"
        add(
            connection, "runs", **ended, id=f"R{number}", state=state, task_id="T" * over,
            key_id="K", results=3, traffic_bytes=7,
            finished_at=BERLIN_MIDNIGHT + at if over else 0,
        )  # fmt: skip
    booked = [("R0", "usage", -40), ("R1", "usage", -2), ("", "credit", 500), ("R0", "hold", -99)]
    booked += [("gone", "usage", -5)]  # of a run that was deleted
    for number, (run, kind, amount) in enumerate(booked):
        at = BERLIN_MIDNIGHT - (run == "R0")
        money = {"kind": kind, "usd_micros": amount, "run_id": run}
        add(connection, "ledger", id=f"L{number}", account_id="A", at=at, **money)
    add(
        connection,
        "ledger",
        id="L9",
        account_id="B",
        at=BERLIN_MIDNIGHT,
        kind="credit",
        usd_micros=1,
    )


def test_the_past_is_added_up_by_day_and_part(engine: Engine) -> None:
    with for_writing(engine).begin() as connection:
        fill(connection)
    assert migrate(engine).up_to_date
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
    assert sums("A", "worker", november) == (0, 0, 0, 0, 5, 500)  # whose that was is forgotten
    assert sums("A", "task", october, "T") == sums("A", "key", october, "K") == (1, 0, 0, 3, 40, 0)
    assert sums("B", "", october) == (0, 0, 0, 0, 0, 1)  # in UTC, where the zone is unknown
    whole = of["A", "", november, ""]
    assert (whole["traffic_bytes"], whole["run_ms"]) == (14, 5_000 + 5_001)


def test_runs_that_have_ended_get_the_sums_of_their_attempts(engine: Engine) -> None:
    attempts = [("R0", 1_000, 3_500, 7), ("R0", 2_000, 2_500, 8)]
    attempts += [("R1", 0, 900, 1), ("R4", 5, 0, 9)]
    with for_writing(engine).begin() as connection:
        fill(connection)
        for number, (run, started, finished, cpu) in enumerate(attempts):
            add(
                connection, "attempts", id=f"A{number}", run_id=run, ordinal=number,
                started_at=started, finished_at=finished, cpu_ms=cpu,
            )  # fmt: skip
    assert migrate(engine).up_to_date
    with engine.connect() as connection:
        table = Table("runs", MetaData(), autoload_with=connection)
        found = {row["id"]: row for row in connection.execute(select(table)).mappings()}
    sums = {name: (row["busy_ms"], row["cpu_ms"]) for name, row in found.items()}
    # R1 never ran its Worker, R2 and R3 had no attempt, R4 is under way
    assert sums == {"R0": (3_000, 15), "R1": (0, 1), "R2": (0, 0), "R3": (0, 0), "R4": (0, 0)}
    assert {(row["memory_mb_ms"], row["bound"]) for row in found.values()} == {(0, "most")}
