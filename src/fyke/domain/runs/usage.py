"""The usage and cost of a run: usage curve, sums, cost by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.billing.cost_lines import CostLine, MeteredUsage, cost_lines
from fyke.domain.runs.transitions import Rules, charged
from fyke.model.account import Caller
from fyke.model.run import Attempt, Run, RunEvent, UsageSample
from fyke.model.runner import AttemptUsage
from fyke.model.usage_marks import MarkKind, UsageMark, joined

MAX_MARKS = 20
_READ_ATTEMPTS = 1000  # whose marks are shown
_KINDS = frozenset(MarkKind)
_OF_RUN = frozenset({"AbortRequested", "LimitReached"})
_MARKED = frozenset({"AttemptReturned", "AttemptLost"}) | _OF_RUN


@dataclass(frozen=True, slots=True)
class BrowserUse:
    """The browsers of a run's attempts. ``version`` is that of the latest one."""

    version: str
    milliseconds: int
    cpu_ms: int
    memory_mb_ms: int
    memory_peak_bytes: int


@dataclass(frozen=True, slots=True)
class RunUsage:
    """``samples`` are in order of time, none for a run that was too short. ``lines`` add up to
    ``usage_micros``. ``marks``: the events that explain a curve, at most ``MAX_MARKS``, by time;
    ``usage_marks``: what was noticed of its attempts, by time since the epoch.
    """

    run: Run
    samples: list[UsageSample]
    cpu_ms: int
    memory_mb_ms: int
    memory_peak_bytes: int
    browser: BrowserUse | None  # None when no attempt had one
    traffic_bytes: int
    usage_micros: int
    lines: list[CostLine]
    marks: list[RunEvent]
    usage_marks: list[UsageMark]

    @property
    def has_curve(self) -> bool:
        """Whether they show what was used: a short run ends before its memory is measured."""
        measured = any(sample.memory_bytes for sample in self.samples)
        return len(self.samples) > 1 and (measured or not self.memory_peak_bytes)

    @property
    def timeline(self) -> list[RunEvent | UsageMark]:
        """Both kinds of marks, by time."""
        found: list[RunEvent | UsageMark] = [*self.marks, *self.usage_marks]
        return sorted(found, key=lambda one: one.since if isinstance(one, UsageMark) else one.at)


class RunUsages:
    """The usage of all runs; each account can read only the usage of its own runs."""

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    async def of_run(self, caller: Caller, run_id: str) -> RunUsage:
        """The usage of a run. Raises ``RunNotFound``, also for another account's run."""

        def work(tx: Transaction) -> RunUsage:
            run = own_run(tx, caller, run_id)
            usage = tx.runs.usage(run_id)
            ended = run.state.terminal
            cost = run.usage_micros if ended else charged(tx, self._rules, run)
            attempts = tx.runs.attempts(run_id)
            metered = [MeteredUsage(a.busy_ms, a.traffic_bytes, a.browser_ms) for a in attempts]
            return RunUsage(
                run=run,
                samples=_with_start(run, tx.samples.of_run(run_id)),
                cpu_ms=usage.cpu_ms,
                memory_mb_ms=usage.memory_mb_ms,
                memory_peak_bytes=usage.memory_peak_bytes,
                browser=_browser(attempts, usage),
                traffic_bytes=usage.traffic_bytes,
                usage_micros=cost,
                lines=cost_lines(self._rules.prices, run.limits, metered, cost),
                marks=marks_of(tx.runs.events(run_id)),
                usage_marks=_usage_marks(attempts, tx.marks.of_run(run_id, _READ_ATTEMPTS)),
            )

        return await self._storage.read(work)


def marks_of(events: Sequence[RunEvent]) -> list[RunEvent]:
    """Faults, limits and aborts by time, without the machines. Of too many, the first ones; what
    ended the whole run comes before faults.
    """
    found = [
        event
        for event in events
        if event.kind in _MARKED or (event.kind == "SubtaskEnded" and event.reason)
    ]
    by_weight = sorted(range(len(found)), key=lambda n: found[n].kind not in _OF_RUN)
    return [replace(found[n], node="") for n in sorted(by_weight[:MAX_MARKS])]


def _usage_marks(
    attempts: Sequence[Attempt], marks: Mapping[str, Sequence[UsageMark]]
) -> list[UsageMark]:
    """The marks of all attempts; those that overlap are one."""
    starts = {attempt.id: attempt.started_at for attempt in attempts if attempt.started_at}
    return joined(
        replace(mark, since=starts[key] + mark.since, until=starts[key] + mark.until)
        for key, of_attempt in marks.items()
        for mark in of_attempt
        if key in starts and mark.kind in _KINDS
    )


def _browser(attempts: Sequence[Attempt], usage: AttemptUsage) -> BrowserUse | None:
    versions = [attempt.browser_version for attempt in attempts if attempt.browser_version]
    if not versions:
        return None
    return BrowserUse(
        version=versions[-1],
        milliseconds=usage.browser_ms,
        cpu_ms=usage.browser_cpu_ms,
        memory_mb_ms=usage.browser_memory_mb_ms,
        memory_peak_bytes=usage.browser_memory_peak_bytes,
    )


def _with_start(run: Run, samples: list[UsageSample]) -> list[UsageSample]:
    """Add a point with zero usage at the start of the run."""
    if samples and 0 < run.started_at < samples[0].at:
        return [UsageSample(run.id, run.started_at, 0, 0, 0, 0), *samples]
    return samples
