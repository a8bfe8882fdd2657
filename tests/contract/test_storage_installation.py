"""Queries across all accounts, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.kit.ids import new_ulid
from fyke.model.run import RunState
from support import records

pytestmark = pytest.mark.anyio
State = Any


async def test_runs_that_ended_before_a_time_are_counted_up_to_a_bound(state: State) -> None:
    assert await state.read(lambda tx: tx.installation.removable(100, 10)) == (0, 0, 0)
    assert await state.read(lambda tx: tx.installation.runs()) == 0

    def history(tx: Transaction) -> None:
        for _ in range(2):
            owner, worker = records.seed(tx)
            for at in (10, 20, 30, 40):
                records.seed_run(tx, owner, worker, 0, state=RunState.FAILED, finished_at=at)
            records.seed_run(tx, owner, worker)

    await state.write(history)
    assert await state.read(lambda tx: tx.installation.removable(31, 10)) == (6, 10, 30)
    assert await state.read(lambda tx: tx.installation.removable(31, 3)) == (3, 10, 20)
    assert await state.read(lambda tx: tx.installation.removable(10, 9)) == (0, 0, 0)
    assert await state.read(lambda tx: tx.installation.runs()) == 10


async def test_a_fact_is_exchanged_only_if_it_is_as_expected(state: State) -> None:
    name = new_ulid()
    assert not await state.write(lambda tx: tx.installation.exchange(name, "", "one"))
    await state.write(lambda tx: tx.installation.settle(name, "one"))
    assert await state.write(lambda tx: tx.installation.exchange(name, "one", "two"))
    assert not await state.write(lambda tx: tx.installation.exchange(name, "one", "three"))
    assert await state.read(lambda tx: tx.installation.fact(name)) == "two"
