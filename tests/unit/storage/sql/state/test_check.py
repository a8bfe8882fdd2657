"""Each rule of the check reports its violation in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from fyke.model.billing import EntryKind
from fyke.model.runner import Capacity
from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.state.check import check
from fyke.storage.sql.state.transaction import SqlTransaction
from support import full_state, records
from support.prepared import state_in


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """One run with three subtasks: two leased, one waiting."""
    made = make_engine(state_in(tmp_path), durable=False)
    with for_writing(made).begin() as connection:
        tx = SqlTransaction(connection, hiding=frozenset())
        owner, worker = records.seed(tx)
        records.seed_run(tx, owner, worker, 3)
        tx.runs.lease("r", Capacity(2, 9000, 9), 100)
        tx.ledger.append(records.entry(owner, EntryKind.CREDIT, 10, 20))
        tx.finish()
    yield made
    made.dispose()


def test_a_consistent_state_has_no_findings(engine: Engine) -> None:
    assert check(engine) == []


@pytest.mark.parametrize(
    "statement, finding",
    [
        ("UPDATE runs SET state = 'failed'", "is failed but its attempt .* has not ended"),
        ("UPDATE runs SET state = 'aborted'", "is aborted but its subtask 2 waits"),
        ("DELETE FROM attempts WHERE ordinal = 1", "subtask 1 of run"),
        ("UPDATE attempts SET ordinal = 0", "subtask 0 of run .* has 2 active"),
        ("UPDATE subtasks SET state = 'waiting' WHERE ordinal = 1", "subtask 1 .* active attempt"),
        (
            "UPDATE attempts SET outcome = 'returned', started_at = 7",
            "was returned .* been started",
        ),
        ("DELETE FROM subtasks WHERE ordinal = 2", "should have 3 subtasks but has 2"),
        ("UPDATE run_counts SET n = 5", "count of ready runs .* is 5 but there are 1"),
        ("DELETE FROM run_counts", "count of ready runs .* is missing; there are 1"),
        ("UPDATE accounts SET held_micros = 4", r"\(10, 4, 20\) but its ledger .* \(10, 0, 20\)"),
        ("DELETE FROM workers", "of runs refers to a missing row of workers"),
    ],
)
def test_a_manual_change_of_the_database_is_found(
    engine: Engine, statement: str, finding: str
) -> None:
    raw = engine.raw_connection()
    raw.cursor().execute("PRAGMA foreign_keys=OFF")
    raw.cursor().execute(statement)
    raw.close()
    assert re.search(finding, "\n".join(check(engine)))


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[Engine]:
    """A run that has ended with six results and a cost of 40, and a run of another account."""
    made = make_engine(state_in(tmp_path), durable=False)
    with for_writing(made).begin() as connection:
        tx = SqlTransaction(connection, hiding=frozenset(), clock=lambda: full_state.AT)
        full_state.fill(tx)
        tx.finish()
    yield made
    made.dispose()


def test_the_usage_of_a_removed_run_stays(ended: Engine) -> None:
    assert check(ended) == []
    with for_writing(ended).begin() as connection:
        connection.exec_driver_sql("DELETE FROM run_counts WHERE state = 'succeeded'")
        connection.exec_driver_sql("DELETE FROM runs WHERE state = 'succeeded'")
    assert check(ended) == []


@pytest.mark.parametrize(
    "statement, finding",
    [
        (
            "UPDATE runs SET usage_micros = 41 WHERE state = 'succeeded'",
            "run .* has cost 41 millionths .* ledger entries add up to 40",
        ),
        ("DELETE FROM usage_days", "by day adds up to 0 millionths .* ledger to 40"),
        ("DELETE FROM usage_days", "by day counts 0 runs with 0 results but there are 1 with 6"),
        (
            "UPDATE usage_days SET results = 5 WHERE part = ''",
            "by day counts 1 runs with 5 results but there are 1 with 6",
        ),
        ("DELETE FROM usage_days WHERE part = 'task'", "on 20231114 by task does not add up"),
        ("UPDATE usage_days SET runs = 2 WHERE part = 'key'", "by key does not add up"),
        ("DROP TRIGGER ledger_no_update", "the trigger ledger_no_update is missing"),
        ("DROP TRIGGER ledger_no_delete", "the trigger ledger_no_delete is missing"),
    ],
)
def test_a_manual_change_of_usage_or_ledger_is_found(
    ended: Engine, statement: str, finding: str
) -> None:
    with for_writing(ended).begin() as connection:
        connection.exec_driver_sql(statement)
    assert re.search(finding, "\n".join(check(ended)))
