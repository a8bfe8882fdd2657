"""The reports of many nodes in one transaction.

Every node reports once a second. While one transaction renews leases, what other nodes report is
collected, and then stored by the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

from fyke.domain.runs.attempts import Attempts
from fyke.errors import Unavailable
from fyke.kit.shared_calls import SharedCalls
from fyke.model.attempt import AttemptReport, RunnerOrders

MAX_ATTEMPTS = 2000  # of one transaction: with more, their rows would stay locked for long

Reports = Sequence[AttemptReport]


class SharedReports:
    """``Attempts.report`` for all nodes of a gateway."""

    def __init__(self, attempts: Attempts, lease_ms: int) -> None:
        self._attempts = attempts
        self._lease_ms = lease_ms
        self._calls = SharedCalls(self._report, most=MAX_ATTEMPTS, size=len, for_all=Unavailable)

    async def report(self, reports: Reports) -> RunnerOrders:
        """Those of one node."""
        return await self._calls.ask(reports)

    async def _report(self, asked: Sequence[Reports]) -> list[RunnerOrders]:
        return await self._attempts.report_all(asked, self._lease_ms)
