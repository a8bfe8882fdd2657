"""Counts the rows of a run that ends after some of its attempts were hidden.

Rows of hidden attempts are shown if a visible one has upserted them too. Only the store of the rows
knows these, and the run ends in a transaction of the state. So that transaction is given up, the
rows are counted, and it is repeated with the number. By then all attempts are closed; if other ones
are hidden in the end, it is repeated once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.model.run import Attempt

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptRows:
    """How many rows of the attempts ``hidden`` are shown."""

    hidden: frozenset[str] = frozenset()
    count: int = 0


NOT_COUNTED = KeptRows()


class RowsNotCounted(Exception):
    """The rows of these hidden attempts that are shown must be counted before the run ends."""

    def __init__(self, run_id: str, hidden: frozenset[str]) -> None:
        super().__init__(run_id)
        self.run_id = run_id
        self.hidden = hidden


def visible_rows(
    run_id: str, attempts: Iterable[Attempt], hiding: frozenset[str], kept: KeptRows
) -> int:
    """The number of visible rows of a run with these attempts. Raises ``RowsNotCounted``."""
    hidden: set[str] = set()
    visible = hidden_rows = others = 0
    for attempt in attempts:
        if attempt.replaced or (attempt.outcome is not None and attempt.outcome.value in hiding):
            hidden.add(attempt.id)
            hidden_rows += attempt.rows
        else:
            visible += attempt.rows
            others += 1
    if not (hidden_rows and others):
        return visible
    if kept.hidden != hidden:
        raise RowsNotCounted(run_id, frozenset(hidden))
    return visible + kept.count


async def write_end(
    storage: Storage, results: Results, work: Callable[[Transaction, KeptRows], T]
) -> T:
    """Call ``work`` in a transaction, which may end a run, with what ``apply`` needs for that."""
    kept = NOT_COUNTED
    while True:

        def work_with_rows(tx: Transaction, kept: KeptRows = kept) -> T:
            return work(tx, kept)

        try:
            return await storage.write(work_with_rows)
        except RowsNotCounted as missing:
            totals = await results.totals(missing.run_id, missing.hidden)
            kept = KeptRows(missing.hidden, totals.kept)
