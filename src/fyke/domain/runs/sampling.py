"""The points of a run's usage curve, added in the transactions in which its runners report.

A run of a minute and one of a week have about as many: at ``MAX_POINTS`` points every second one is
dropped, and from then on they are taken further apart. Only a report with a valid token adds a
point; the points are deleted with their run.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.model.run import SampleSpan

MAX_POINTS = 300
APART_MS = 900  # slightly less than the second between two reports, which varies
_PARTS = 200  # the least distance of a new point, as a part of the whole span


def due(span: SampleSpan, now: int) -> bool:
    """Whether it is time for another point."""
    if not span.count:
        return True
    return now - span.last_at >= max(APART_MS, (span.last_at - span.first_at) // _PARTS)


def note(tx: Transaction, run_id: str) -> None:
    """Add a point when it is time. The caller holds the run's lock."""
    span = tx.samples.span(run_id)
    if not due(span, tx.now):
        return
    tx.samples.add(tx.samples.measure(run_id, tx.now))
    if span.count + 1 >= MAX_POINTS:
        tx.samples.thin(run_id)


def note_last(tx: Transaction, run_id: str) -> None:
    """Add the last point; a run too short for a curve gets none."""
    span = tx.samples.span(run_id)
    if span.count:
        tx.samples.add(tx.samples.measure(run_id, max(tx.now, span.last_at + 1)))
