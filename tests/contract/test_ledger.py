"""The ledger only grows, and its sums agree even when its writers are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from fyke.contracts.state import Transaction
from fyke.contracts.state.accounts import LedgerStore
from fyke.model.billing import EntryKind, UsageSums
from fyke.model.run import RunFilter
from fyke.storage.sql.dialects import for_writing
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.state.billing import SqlLedger, ledger
from fyke.storage.sql.state.check import check
from support import records

pytestmark = pytest.mark.anyio
State = Any
PROCESS = Path(__file__).parent.parent / "support" / "ledger_process.py"
ALL = 10**9


def test_the_store_of_the_ledger_can_only_add_and_read() -> None:
    def names(of: type) -> set[str]:
        return {name for name in vars(of) if not name.startswith("_")}

    assert names(LedgerStore) == names(SqlLedger) == {"append", "entries", "page", "sums"}


@pytest.mark.parametrize("how", ["change", "remove", "change all", "empty"])
async def test_the_database_refuses_to_change_or_remove_an_entry(state: State, how: str) -> None:
    owner, _ = await state.write(records.seed)
    entry = records.entry(owner, EntryKind.CREDIT, 5)
    await state.write(lambda tx: tx.ledger.append(entry))
    engine = state.storage.engine
    statements = {
        "change": update(ledger).where(ledger.c.id == entry.id).values(usd_micros=6),
        "remove": delete(ledger).where(ledger.c.id == entry.id),
        "change all": update(ledger).values(note=""),
        "empty": delete(ledger) if engine.dialect.name == "sqlite" else text("TRUNCATE ledger"),
    }
    with for_writing(engine).connect() as connection:
        with pytest.raises(DBAPIError, match="the ledger is only ever added to"):
            connection.execute(statements[how])
        connection.rollback()
    assert await state.read(lambda tx: tx.ledger.entries(owner, limit=9)) == [entry]


def run_until_killed(state: str, rows: str, seed: int, goal: int, last: int) -> bool:
    """Return whether the process finished."""
    completed = subprocess.run(
        [sys.executable, str(PROCESS), state, rows, str(seed), str(goal), str(last)],
        env={**os.environ, "PYTHONPATH": str(PROCESS.parent.parent)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert completed.returncode in (0, -signal.SIGKILL), completed.stderr
    return completed.returncode == 0


async def assert_sums_agree(state: State, goal: int) -> None:
    """Each run has one hold, one release and one charge that is not above the hold."""

    def read_all(tx: Transaction) -> Any:
        [account] = tx.accounts.all()
        total, runs = tx.runs.page(account.id, RunFilter(), offset=0, limit=ALL)
        days = tx.usage.days(account.id, 0, 99_999_999)
        sums = tx.ledger.sums(account.id)
        return account, total, runs, tx.ledger.entries(account.id, limit=ALL), sums, days

    account, total, runs, entries, sums, days = await state.read(read_all)
    assert total == len(runs) == goal
    assert all(run.state.terminal for run in runs)
    assert sums == (account.balance_micros, account.held_micros, account.traffic_bytes)
    assert account.held_micros == 0
    of_run: dict[str, dict[EntryKind, list[int]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        of_run[entry.run_id][entry.kind].append(entry.usd_micros)
    for run in runs:
        run_entries = of_run[run.id]
        assert run_entries[EntryKind.HOLD] == [-run.hold_micros]
        assert run_entries[EntryKind.RELEASE] == [run.hold_micros]
        assert sum(run_entries[EntryKind.USAGE]) == -run.usage_micros
        assert len(run_entries[EntryKind.USAGE]) == (run.usage_micros > 0 or run.traffic_bytes > 0)
        assert 0 <= run.usage_micros <= run.hold_micros
    credited = sum(of_run[""][EntryKind.CREDIT])
    assert account.balance_micros == credited - sum(run.usage_micros for run in runs)
    used = sum(days.values(), UsageSums())
    assert (used.runs, used.credited_micros) == (goal, credited)
    for name in ("usage_micros", "traffic_bytes", "cpu_ms", "memory_mb_ms"):
        assert getattr(used, name) == sum(getattr(run, name) for run in runs)
    assert check(state.storage.engine) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("goal", "kills"),
    [
        pytest.param(20, 2, id="20"),
        pytest.param(1000, 60, marks=[pytest.mark.long, pytest.mark.timeout(3600)], id="1000"),
    ],
)
async def test_killed_settlements_leave_no_difference(
    state: State, state_url: str, tmp_path: Path, goal: int, kills: int
) -> None:
    rows = f"sqlite:///{tmp_path / 'rows.db'}" if state_url.startswith("sqlite") else state_url
    migrate_results(rows)
    await state.write(records.seed)
    dice = random.Random(goal)
    killed = 0
    for number in range(10 * kills):
        # each process is killed within its share of the runs, so that kills spread over all runs
        share = goal if killed >= kills else goal * (killed + 1) // kills
        last = 0 if killed >= kills else dice.randint(1, 5 * goal // kills)
        if run_until_killed(state_url, rows, number, share, last):
            if share == goal:
                break
        else:
            killed += 1
    assert killed >= kills // 2
    run_until_killed(state_url, rows, 1, goal, 0)
    await assert_sums_agree(state, goal)
