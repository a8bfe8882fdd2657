"""Samples the usage of a run for its usage curve, in the transactions of the runners' reports.

Runs of a minute and of a week have about as many samples: at ``MAX_POINTS`` every second one is
removed, and later ones are further apart. Only a report with a valid token adds a sample; samples
are deleted with their run.
"""

from __future__ import annotations

from collections.abc import Collection

from fyke.contracts.state import Transaction
from fyke.model.run import SampleSpan, UsageSample

MAX_POINTS = 300
MIN_DISTANCE_MS = 900  # slightly less than the second between two reports, which varies
_MAX_PER_SPAN = 200  # the minimum distance is the whole span divided by this


def due(span: SampleSpan, now: int) -> bool:
    """Whether another sample is due."""
    if not span.count:
        return True
    distance = (span.last_at - span.first_at) // _MAX_PER_SPAN
    return now - span.last_at >= max(MIN_DISTANCE_MS, distance)


def add_samples(tx: Transaction, run_ids: Collection[str]) -> dict[str, UsageSample]:
    """Add a sample of each run for which one is due. Return the usage of every run. The caller has
    locked the runs.
    """
    if not run_ids:
        return {}
    usage = tx.samples.measure(run_ids, tx.now)
    spans = tx.samples.spans(run_ids)
    added = [run_id for run_id in run_ids if due(spans[run_id], tx.now)]
    tx.samples.add([usage[run_id] for run_id in added])
    for run_id in added:
        if spans[run_id].count + 1 >= MAX_POINTS:
            tx.samples.thin(run_id)
    return usage


def add_last_sample(tx: Transaction, run_id: str) -> None:
    """Add the last sample, unless the run has none because it was too short."""
    span = tx.samples.spans([run_id])[run_id]
    if span.count:
        last = tx.samples.measure([run_id], max(tx.now, span.last_at + 1))
        tx.samples.add([*last.values()])


def traffic_so_far(tx: Transaction, run_id: str) -> int:
    """The bytes of all attempts of a run that has not ended."""
    return tx.samples.measure([run_id], tx.now)[run_id].traffic_bytes
