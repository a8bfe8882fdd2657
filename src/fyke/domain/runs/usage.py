"""The usage and cost of a run: the curve, the sums, the cost by item."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.billing.cost_lines import CostLine, MeteredUsage, cost_lines
from fyke.domain.runs.transitions import Rules, charged
from fyke.model.account import Caller
from fyke.model.run import Run, UsageSample


@dataclass(frozen=True, slots=True)
class RunUsage:
    """``samples`` is in order of time and empty for a run too short for a curve. ``lines`` add up
    to ``usage_micros``.
    """

    run: Run
    samples: list[UsageSample]
    cpu_ms: int
    memory_mb_ms: int
    memory_peak_bytes: int
    traffic_bytes: int
    usage_micros: int
    lines: list[CostLine]


class RunUsages:
    """The usage of runs; each account sees only its own."""

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    async def of_run(self, caller: Caller, run_id: str) -> RunUsage:
        """Raises ``RunNotFound``, including for another account's run."""

        def work(tx: Transaction) -> RunUsage:
            run = own_run(tx, caller, run_id)
            used = tx.runs.usage(run_id)
            ended = run.state.terminal
            cost = run.usage_micros if ended else charged(tx, self._rules, run)
            metered = [
                MeteredUsage(a.busy_ms(tx.now), a.traffic_bytes) for a in tx.runs.attempts(run_id)
            ]
            return RunUsage(
                run=run,
                samples=_from_the_start(run, tx.samples.of_run(run_id)),
                cpu_ms=used.cpu_ms,
                memory_mb_ms=used.memory_mb_ms,
                memory_peak_bytes=used.memory_peak_bytes,
                traffic_bytes=used.traffic_bytes,
                usage_micros=cost,
                lines=cost_lines(self._rules.prices, run.limits, metered, cost),
            )

        return await self._storage.read(work)


def _from_the_start(run: Run, samples: list[UsageSample]) -> list[UsageSample]:
    """Add a point with zero usage at the start of the run."""
    if samples and 0 < run.started_at < samples[0].at:
        return [UsageSample(run.id, run.started_at, 0, 0, 0, 0), *samples]
    return samples
