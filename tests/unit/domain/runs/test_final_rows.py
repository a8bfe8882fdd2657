"""The rows of a run that ends: what is counted by attempt, and what the store must count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.runs.final_rows import (
    NOT_COUNTED,
    KeptRows,
    RowsNotCounted,
    visible_rows,
    write_end,
)
from fyke.model.results import RunTotals
from fyke.model.run import Attempt, Outcome
from support.memory import MemoryStorage
from support.samples import sample

HIDING = frozenset({"exit_code"})


def attempt(name: str, rows: int, outcome: Outcome = Outcome.SUCCEEDED) -> Attempt:
    return replace(sample(Attempt), id=name, rows=rows, outcome=outcome, replaced=False)


def test_rows_are_added_up_where_nothing_can_be_shared() -> None:
    good, failed = attempt("a", 3), attempt("b", 2, Outcome.EXIT_CODE)
    for attempts, rows in (
        ([], 0),
        ([good, attempt("c", 1, Outcome.TIMEOUT)], 4),
        ([failed], 0),
        ([good, replace(failed, rows=0)], 3),
        ([replace(good, replaced=True), failed], 0),
    ):
        assert visible_rows("run", attempts, HIDING, NOT_COUNTED) == rows


def test_rows_of_hidden_attempts_beside_visible_ones_must_be_counted() -> None:
    attempts = [attempt("a", 3), attempt("b", 2, Outcome.EXIT_CODE)]
    for kept in (NOT_COUNTED, KeptRows(frozenset("a"), 1)):
        with pytest.raises(RowsNotCounted) as missing:
            visible_rows("run", attempts, HIDING, kept)
        assert (missing.value.run_id, missing.value.hidden) == ("run", frozenset("b"))
    assert visible_rows("run", attempts, HIDING, KeptRows(frozenset("b"), 1)) == 4


@pytest.mark.anyio
async def test_the_transaction_is_repeated_until_the_hidden_attempts_are_the_same() -> None:
    asked: list[frozenset[str]] = []
    hidden = [frozenset("a"), frozenset("ab"), frozenset("ab")]

    class Results:
        async def totals(self, run_id: str, hidden: frozenset[str]) -> RunTotals:
            asked.append(hidden)
            return RunTotals(9, 9, kept=len(hidden))

    def work(tx: object, kept: KeptRows) -> int:
        now = hidden.pop(0)
        if kept.hidden != now:
            raise RowsNotCounted("run", now)
        return kept.count

    assert await write_end(MemoryStorage(), Results(), work) == 2  # type: ignore[arg-type]
    assert asked == [frozenset("a"), frozenset("ab")]
