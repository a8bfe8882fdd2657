"""Samples the usage of a run for its usage curve, in the transactions of the runners' reports.

Runs of a minute and of a week have about as many samples: at ``MAX_POINTS`` every second one is
removed (later if the run is locked), and later ones are further apart. Only a report with a valid
token adds a sample; samples are deleted with their run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fyke.contracts.state import Transaction
from fyke.model.run import SampleSpan, UsageSample

MAX_POINTS = 300
MIN_DISTANCE_MS = 900  # slightly less than the second between two reports, which varies
_UNREPORTED_MS = 60_000  # after it was due, a sample of a run that is reported was added
_MAX_PER_SPAN = 200  # the minimum distance is the whole span divided by this


class SampleTimes:
    """When the next sample of each reported run is due, for all runners that one process serves:
    one of them adds it. Those of other processes may add one before. Called in any thread.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._swept_at = 0

    def due(self, run_ids: Iterable[str], at: int) -> set[str]:
        """The runs of which a sample is due at this time."""
        return {run_id for run_id in run_ids if self._next.get(run_id, 0) <= at}

    def note(self, times: Mapping[str, int], at: int) -> None:
        """Note when the next samples of these runs are due, and forget runs that are not reported
        any more.
        """
        self._next.update(times)
        if at - self._swept_at > _UNREPORTED_MS:
            self._swept_at = at
            reported = self._next.copy()  # other threads change it meanwhile
            kept = {run_id: due for run_id, due in reported.items() if due > at - _UNREPORTED_MS}
            for run_id in reported.keys() - kept.keys():
                self._next.pop(run_id, None)


def next_due(span: SampleSpan) -> int:
    """The time from which another sample is due."""
    if not span.count:
        return 0
    distance = (span.last_at - span.first_at) // _MAX_PER_SPAN
    return span.last_at + max(MIN_DISTANCE_MS, distance)


def add_samples(tx: Transaction, usage: Iterable[UsageSample], at: int) -> dict[str, int]:
    """Add the samples that are due ``at`` this time. Return when the next one of each run is due.
    The caller has renewed the lease of an attempt of each run.
    """
    sample_of = {sample.run_id: sample for sample in usage}
    if not sample_of:
        return {}
    spans = tx.samples.spans(sample_of)
    added = sorted(run_id for run_id in sample_of if next_due(spans[run_id]) <= at)
    tx.samples.add([sample_of[run_id] for run_id in added])
    for run_id in added:
        span = spans[run_id]
        spans[run_id] = SampleSpan(span.count + 1, span.first_at if span.count else at, at)
        # the caller has locked other runs; waiting for one more might never end
        if span.count + 1 >= MAX_POINTS and tx.runs.lock_if_free(run_id):
            tx.samples.thin(run_id)
    return {run_id: next_due(span) for run_id, span in spans.items()}


def add_last_sample(tx: Transaction, run_id: str) -> None:
    """Add the last sample, unless the run has none because it was too short."""
    span = tx.samples.spans([run_id])[run_id]
    if span.count:
        last = tx.samples.measure([run_id], max(tx.now, span.last_at + 1))
        tx.samples.add([*last.values()])


def traffic_so_far(tx: Transaction, run_id: str) -> int:
    """The bytes of all attempts of a run that has not ended."""
    return tx.samples.measure([run_id], tx.now)[run_id].traffic_bytes
