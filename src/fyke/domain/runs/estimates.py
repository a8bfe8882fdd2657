"""Estimates before the start, from the account's own runs of a Worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.estimate import LOOKED_AT, Basis, Estimate, basis, estimate
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.lookup import find_version, find_worker
from fyke.domain.workers.parameters import read_input
from fyke.errors import InvalidRequest
from fyke.model.account import Caller
from fyke.model.run import RunLimits
from fyke.model.worker import Version, Worker


@dataclass(frozen=True, slots=True)
class EstimateRequest:
    """An estimate and its basis; ``estimate`` is None without enough runs. ``limits`` are the
    requested ones, completed by those of the version.
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
        self._prices = rules.prices
        self._max_subtasks = rules.max_subtasks

    async def of(
        self,
        caller: Caller,
        ref: str,
        number: str | None,
        system: Mapping[str, object],
        *,
        subtasks: int = 0,
    ) -> EstimateRequest:
        """The estimate for a run with the options ``system``, named as in an input.

        Raises ``WorkerNotFound``, ``UnknownVersion``, ``VersionUnavailable``, ``InvalidRequest``.
        """
        if not 0 <= subtasks <= self._max_subtasks:
            raise InvalidRequest(f"must be 0 (as before) to {self._max_subtasks}", field="subtasks")

        def work(tx: Transaction) -> EstimateRequest:
            worker = find_worker(tx, caller, ref)
            version = find_version(tx, caller, worker.id, number)
            wanted = {"parameters": {"system": dict(system), "custom": {}}}
            limits = read_input(wanted, version.defaults).limits
            found = basis_of(tx, caller.account_id, worker.id, version.number)
            made = estimate(self._prices, found, limits, subtasks=subtasks)
            return EstimateRequest(worker, version, limits, found, made, self._prices.any())

        return await self._storage.read(work)


def basis_of(tx: Transaction, account_id: str, worker_id: str, version: str) -> Basis:
    """The basis of an estimate for a version, from at most the last ``LOOKED_AT`` runs."""
    return basis(tx.runs.past_runs(account_id, worker_id, LOOKED_AT), version)
