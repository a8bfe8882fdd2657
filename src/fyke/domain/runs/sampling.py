"""Adds the points of a run's usage curve, in the transactions in which its runners report.

Only a report with a valid token adds a point; the points are deleted with their run.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.runs.sample import MOST, due


def note(tx: Transaction, run_id: str) -> None:
    """Take a point when it is time. The caller holds the run's lock."""
    span = tx.samples.span(run_id)
    if not due(span, tx.now):
        return
    tx.samples.add(tx.samples.measure(run_id, tx.now))
    if span.count + 1 >= MOST:
        tx.samples.thin(run_id)


def note_last(tx: Transaction, run_id: str) -> None:
    """Take the point of the end; a run too short for a curve gets none."""
    span = tx.samples.span(run_id)
    if span.count:
        tx.samples.add(tx.samples.measure(run_id, max(tx.now, span.last_at + 1)))
