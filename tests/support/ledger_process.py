"""A server and a runner in one process that start, execute and settle runs at random, and are
killed.

Arguments: URL of the state, URL of the results, seed of the random numbers, total number of runs,
and the number of the writing transaction in which the process is killed (0 = in none), before or
right after its commit.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from fyke.contracts.state import Transaction
from fyke.domain.billing.days import add_credit
from fyke.domain.billing.service import place_hold
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules, abort_run
from fyke.errors import Refused, RunNotAbortable
from fyke.kit.ids import new_ulid
from fyke.model.attempt import AttemptEnd, AttemptReport
from fyke.model.billing import EntryKind, Prices
from fyke.model.run import End, Outcome, RunFilter, RunLimits
from fyke.model.runner import AttemptUsage, Capacity, Lease, RunnerInfo
from fyke.storage.sql.results.store import SqlResults, open_results
from fyke.storage.sql.state.storage import open_storage
from support import records

T = TypeVar("T")

# a second costs at most half a cent and a megabyte a third of a cent, so that the caps are reached
PRICES = Prices(Decimal("28.8"), Decimal("0.7"), Decimal("3.17"), True)
RULES = Rules(PRICES, HIDING, 1000, "")
NODE = "node"
ROOM = Capacity(cpus=10**6, memory_mb=10**9, slots=8)
ENDS = [Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.EXIT_CODE, Outcome.TIMEOUT, Outcome.INTERNAL]


class Fatal:
    """A storage that kills its process before or after the commit of its last write."""

    def __init__(self, url: str, last: int, before_commit: bool) -> None:
        self._inner = open_storage(url, durable=False, notify=str, hiding=HIDING)
        self._left, self._before = last, before_commit

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._inner.read(work)

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        self._left -= 1
        fatal = self._left == 0

        def tried(tx: Transaction) -> T:
            result = work(tx)
            if fatal and self._before:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        result = await self._inner.write(tried)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    async def close(self) -> None:
        await self._inner.close()


class RandomRuns:
    """Runs of the only account."""

    def __init__(self, storage: Fatal, results: SqlResults, dice: random.Random) -> None:
        self._storage, self._results, self._dice = storage, results, dice
        self._attempts = Attempts(storage, results, RULES)  # type: ignore[arg-type]  # a shim
        self._runner = f"runner-{new_ulid()}"

    async def register(self) -> None:
        """Register a runner, and end the attempts of a killed predecessor."""

        def hello(tx: Transaction) -> None:
            tx.runs.put_runner(
                RunnerInfo(self._runner, NODE, "full", "", 8, 8192, tx.now, place=NODE)
            )

        await self._storage.write(hello)
        await self._attempts.end_of_earlier_runners(NODE, self._runner)

    async def continue_to(self, goal: int) -> None:
        """Start and execute runs until there are ``goal`` runs and all have ended."""
        while True:
            missing = goal - await self._storage.read(_runs)
            for _ in range(min(missing, self._dice.randint(1, 4))):
                await self._start()
            leases = await self._storage.write(
                lambda tx: tx.runs.lease(self._runner, ROOM, tx.now + 60_000)
            )
            for lease in leases:
                await self._results.open_attempt(lease.run.id, lease.attempt.id)
                await self._attempts.started(lease.attempt.key, lease.attempt.runner_id)
            await self._report(leases)
            for lease in leases:
                await self._end(lease)
            if missing <= 0 and not leases and await self._storage.read(_have_ended):
                return

    async def _start(self) -> None:
        dice = self._dice
        limits = RunLimits(
            cpus=dice.choice([0.125, 0.5]),
            memory_mb=dice.choice([512, 2048]),
            timeout_s=dice.randint(1, 30),
            max_charge_micros=dice.choice([0, 0, dice.randint(150_000, 500_000)]),
            max_traffic_bytes=dice.choice([0, dice.randint(1, 10**9)]),
        )
        parts = dice.randint(1, 3)

        def work(tx: Transaction) -> None:
            [account] = tx.accounts.all()
            [worker] = tx.workers.of_account(account.id)
            run = records.run(account.id, worker.id, subtasks=parts, created_at=tx.now)
            run = replace(run, id=new_ulid(), limits=limits)
            reserved = place_hold(tx, PRICES, run)
            run = replace(run, hold_micros=reserved.micros, bound=reserved.bound)
            tx.runs.add(run, [records.subtask(run.id, n) for n in range(parts)])

        try:
            await self._storage.write(work)
        except Refused:
            await self._storage.write(self._credit)

    def _credit(self, tx: Transaction) -> None:
        [account] = tx.accounts.all()
        micros = self._dice.randint(1, 10**9)
        credit = records.entry(account.id, EntryKind.CREDIT, micros, 10**12)
        tx.ledger.append(replace(credit, id=new_ulid(), at=tx.now))
        add_credit(tx, account.id, micros)

    async def _report(self, leases: list[Lease]) -> None:
        reports = [AttemptReport(lease.attempt.key, self._usage()) for lease in leases]
        if reports and self._dice.random() < 0.7:
            await self._attempts.report(reports, 60_000)
        for lease in leases:
            if self._dice.random() < 0.1:
                await self._abort(lease)

    async def _abort(self, lease: Lease) -> None:
        with suppress(RunNotAbortable):
            await self._storage.write(lambda tx: abort_run(tx, RULES, lease.run.id, "test"))

    async def _end(self, lease: Lease) -> None:
        end = End(self._dice.choice(ENDS))
        await self._attempts.ended(lease.attempt.key, AttemptEnd(end, self._usage()), actor="test")

    def _usage(self) -> AttemptUsage:
        dice = self._dice
        return AttemptUsage(
            traffic_bytes=dice.randint(0, 10**8),
            cpu_ms=dice.randint(0, 10**5),
            memory_peak_bytes=10**6,
            memory_bytes=10**6,
            memory_mb_ms=12_345,
            busy_ms=dice.randint(0, 30_000),
        )


def _have_ended(tx: Transaction) -> bool:
    """Subtasks that a killed predecessor had not started wait for a moment."""
    [account] = tx.accounts.all()
    _, runs = tx.runs.page(account.id, RunFilter(), offset=0, limit=10**9)
    return all(run.state.terminal for run in runs)


def _runs(tx: Transaction) -> int:
    [account] = tx.accounts.all()
    total, _ = tx.runs.page(account.id, RunFilter(), offset=0, limit=1)
    return total


async def main(state: str, rows: str, seed: int, goal: int, last: int) -> None:
    dice = random.Random(seed)
    storage = Fatal(state, last, dice.random() < 0.5)
    results = open_results(rows, durable=False)
    life = RandomRuns(storage, results, dice)
    await life.register()
    await life.continue_to(goal)
    await storage.close()
    await results.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])))
