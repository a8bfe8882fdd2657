"""Estimates before the start, from the account's own runs of a Worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.estimate import MAX_SEARCHED, Basis, Estimate, basis, estimate
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.lookup import find_version, find_worker
from fyke.domain.workers.parameters import read_input
from fyke.errors import InvalidRequest
from fyke.model.account import Caller
from fyke.model.run import RunLimits
from fyke.model.worker import Version, Worker


@dataclass(frozen=True, slots=True)
class WorkerEstimate:
    """An estimate and its basis; ``estimate`` is None without enough runs. ``limits`` are the
    requested ones, by default those of the version. ``priced``: whether runs cost money.
    """

    worker: Worker
    version: Version
    limits: RunLimits
    basis: Basis
    estimate: Estimate | None
    priced: bool


class Estimates:
    """Estimates for all workers, from each account's own runs."""

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    async def of(
        self,
        caller: Caller,
        ref: str,
        number: str | None,
        system: Mapping[str, object],
        *,
        subtasks: int = 0,
    ) -> WorkerEstimate:
        """The estimate for a run with the options ``system``, named as in an input.

        Raises ``WorkerNotFound``, ``UnknownVersion``, ``VersionUnavailable``, ``InvalidRequest``.
        """
        prices, max_subtasks = self._rules.prices, self._rules.max_subtasks
        if not 0 <= subtasks <= max_subtasks:
            raise InvalidRequest(
                f"must be 0 (as in earlier runs) to {max_subtasks}", field="subtasks"
            )

        def work(tx: Transaction) -> WorkerEstimate:
            worker = find_worker(tx, caller, ref)
            version = find_version(tx, caller, worker.id, number)
            run_input = {"parameters": {"system": dict(system), "custom": {}}}
            limits = read_input(run_input, version.defaults).limits
            basis = basis_of(tx, caller.account_id, worker.id, version.number)
            with_browser = self._rules.with_browser(limits)
            result = estimate(prices, basis, with_browser, subtasks=subtasks)
            return WorkerEstimate(worker, version, limits, basis, result, prices.any())

        return await self._storage.read(work)


def basis_of(tx: Transaction, account_id: str, worker_id: str, version: str) -> Basis:
    """The basis of an estimate for a version, from at most the last ``MAX_SEARCHED`` runs."""
    return basis(tx.runs.past_runs(account_id, worker_id, MAX_SEARCHED), version)
