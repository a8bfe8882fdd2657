"""Marks what happens to an attempt while it runs, to a few seconds.

The totals of sites and of the control group are compared with those of five seconds ago. What goes
on without a break is one mark.
"""

from __future__ import annotations

from collections.abc import Iterable

from fyke.contracts.execution import SandboxUsage
from fyke.model.attempt import SiteTraffic
from fyke.model.usage_marks import MarkKind, UsageMark, joined

EVERY_MS = 5000
NEAR_MS = 2 * EVERY_MS  # without a break
FULL = 0.95  # of the memory
LIMITED = 0.2  # of the time
_STATUSES = {"403": MarkKind.FORBIDDEN, "429": MarkKind.TOO_MANY}


class UsageMarks:
    """The marks of one attempt. Times are milliseconds since the start of its Worker."""

    def __init__(self, memory: int) -> None:
        """``memory``: bytes that the Worker may use."""
        self._memory = memory
        self._marks: list[UsageMark] = []
        self._totals: dict[MarkKind, int] = {}
        self._at = 0
        self._highest = 0  # memory since the last look

    def is_due(self, at: int) -> bool:
        return at - self._at >= EVERY_MS

    def measured(self, usage: SandboxUsage) -> None:
        """Note a reading."""
        self._highest = max(self._highest, usage.memory)

    def look(self, sites: Iterable[SiteTraffic], usage: SandboxUsage, at: int) -> None:
        """Compare the totals with those of the last look."""
        self.measured(usage)
        totals = dict.fromkeys(MarkKind, 0)
        for site in sites:
            for status, kind in _STATUSES.items():
                totals[kind] += site.statuses.get(status, 0)
        totals[MarkKind.CPU_LIMIT] = usage.limited_ms
        added = {kind: total - self._totals.get(kind, 0) for kind, total in totals.items()}
        if added[MarkKind.CPU_LIMIT] < LIMITED * (at - self._at):
            added[MarkKind.CPU_LIMIT] = 0
        added[MarkKind.MEMORY_HIGH] = self._highest if self._is_full(self._highest) else 0
        new = [UsageMark(kind, self._at, at, count) for kind, count in added.items() if count > 0]
        if new:
            self._marks = joined([*self._marks, *new], NEAR_MS)
        self._totals, self._at, self._highest = totals, at, 0

    def read(self) -> tuple[UsageMark, ...]:
        """The marks so far."""
        return tuple(self._marks)

    def _is_full(self, memory: int) -> bool:
        return 0 < FULL * self._memory <= memory
