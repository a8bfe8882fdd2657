"""Orders: what a runner gets to know of an attempt that it has leased."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Transaction
from fyke.domain.runs.traces import traceparent
from fyke.model.node import AttemptOrder, OrderedWorker, RunnableVersion
from fyke.model.runner import Lease
from fyke.model.worker import VersionEnvironment


@dataclass(frozen=True, slots=True)
class _Ordered:
    """What all orders of a version have in common."""

    worker: OrderedWorker
    version: RunnableVersion
    environment: VersionEnvironment | None


class LeaseOrders:
    """Makes the orders of the attempts of one lease, which are often of one version."""

    def __init__(self, tx: Transaction, *, traces: bool) -> None:
        self._tx = tx
        self._traces = traces
        self._found: dict[tuple[str, str], _Ordered | None] = {}

    def order(self, lease: Lease) -> AttemptOrder | None:
        """The order of a leased attempt; None when its version is missing."""
        run = lease.run
        name = run.worker_id, run.version
        if name not in self._found:
            self._found[name] = self._read(*name)
        if (found := self._found[name]) is None:
            return None
        return AttemptOrder(
            key=lease.attempt.key,
            input_json=lease.subtask.input_json,
            limits=run.limits,
            region=run.region,
            egress_allow=run.egress_allow,
            browser_choice=run.browser_choice,
            browser_block=run.browser_block,
            run_subtasks=run.subtasks,
            is_empty=run.subtasks == 1 and not run.started_at,
            worker=found.worker,
            version=found.version,
            environment=found.environment,
            traceparent=self._traceparent(lease) if self._traces else "",
        )

    def _traceparent(self, lease: Lease) -> str:
        trace = self._tx.traces.get(lease.run.id)
        return "" if trace is None else traceparent(trace, lease.attempt.id)

    def _read(self, worker_id: str, number: str) -> _Ordered | None:
        worker = self._tx.workers.get(worker_id)
        version = self._tx.workers.version(worker_id, number)
        if worker is None or version is None:
            return None
        operator = self._tx.accounts.operator()
        is_operators = operator is not None and worker.account_id == operator.id
        return _Ordered(
            OrderedWorker.of(worker, is_operators=is_operators),
            RunnableVersion.of(version),
            self._tx.environments.get(version.id),
        )
