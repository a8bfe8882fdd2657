"""A transaction creates stores on first use and writes collected counts once, in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from fyke.model.billing import UsageKey, UsageSums
from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.state.transaction import SqlTransaction
from support import records
from support.prepared import state_in

WRITTEN = re.compile(r"INSERT INTO (\w+)")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = make_engine(state_in(tmp_path), durable=False)
    with for_writing(engine).connect() as connection, connection.begin():
        yield connection
    engine.dispose()


@pytest.fixture
def written(connection: Connection) -> list[str]:
    """The tables that statements insert into, in order."""
    found: list[str] = []
    raw: Any = connection.connection.driver_connection
    raw.set_trace_callback(lambda statement: found.extend(WRITTEN.findall(statement)))
    return found


def test_stores_are_created_on_first_use(connection: Connection) -> None:
    tx = SqlTransaction(connection, hiding=frozenset())
    fresh = set(vars(tx))

    accounts = tx.accounts
    tx.finish()

    assert set(vars(tx)) - fresh == {"accounts"}
    assert tx.accounts is accounts


def test_counts_then_usage_then_facts_are_written_last(
    connection: Connection, written: list[str]
) -> None:
    tx = SqlTransaction(connection, hiding=frozenset())
    owner, worker = records.seed(tx)
    tx.finish()
    written.clear()

    tx = SqlTransaction(connection, hiding=frozenset())
    tx.worker_facts.note_end(worker, "+", 1)
    tx.usage.add(UsageKey(owner, 20261124, worker_id=worker), UsageSums(runs=1))
    records.seed_run(tx, owner, worker, 1)
    assert written == ["runs", "subtasks"]
    tx.finish()
    tx.finish()

    assert written == ["runs", "subtasks", "run_counts", "usage_days", "worker_facts"]


def test_each_topic_is_notified_once_in_the_order_of_first_use(connection: Connection) -> None:
    tx = SqlTransaction(connection, hiding=frozenset())
    for topic in ("b", "a", "b"):
        tx.notify(topic)
    tx.notify("a", 500)
    assert tx.finish() == (("b", 0), ("a", 0), ("a", 500))
