"""Runs over the stores of both databases, with the services that a runner and the timers use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.contracts.state import Transaction
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.final_rows import write_end
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules, abort_run
from fyke.model.attempt import AttemptEnd
from fyke.model.billing import EntryKind, Prices
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import End, Outcome, Run, RunEvent, RunState
from fyke.model.runner import AttemptUsage, Capacity, Lease
from fyke.storage.sql.results.store import SqlResults
from support.records import entry, seed, seed_run

ROOM = Capacity(cpus=100, memory_mb=10**6, slots=100)
FREE = Rules(Prices(), HIDING, 1000, "")
CALLBACK = "https://example.com/hook"


@dataclass
class Setup:
    """Both stores of one database, with the services that a runner and the timers use."""

    storage: Any
    results: SqlResults
    notified: list[str] = field(default_factory=list)
    rules: Rules = FREE

    @property
    def attempts(self) -> Attempts:
        return Attempts(self.storage, self.results, self.rules)

    async def start(
        self, parts: int = 1, *, like: Run | None = None, **changes: Any
    ) -> tuple[Run, list[Lease]]:
        """A run with all its subtasks leased to the runner ``r1`` and started; its account and
        Worker are those of ``like``, or new ones.
        """

        def work(tx: Transaction) -> tuple[Run, list[Lease]]:
            owner, worker = (like.account_id, like.worker_id) if like else seed(tx)
            run = seed_run(tx, owner, worker, parts, callback_url=CALLBACK, **changes)
            if run.hold_micros:
                tx.ledger.append(entry(owner, EntryKind.HOLD, -run.hold_micros))
            return run, tx.runs.lease("r1", ROOM, tx.now + 60_000)

        run, leases = await self.storage.write(work)
        for lease in leases:
            await self.results.open_attempt(run.id, lease.attempt.id)
            await self.attempts.started(lease.attempt.key, lease.attempt.runner_id)
        return run, leases

    async def push(self, lease: Lease, count: int) -> bool:
        rows = [PushedRow(b'{"n":%d}' % n) for n in range(count)]
        [outcome] = await self.results.commit([AttemptBatch(lease.run.id, lease.attempt.id, rows)])
        return outcome

    async def end(self, lease: Lease, outcome: Outcome = Outcome.SUCCEEDED, **usage: int) -> Any:
        return await self.attempts.ended(
            lease.attempt.key,
            AttemptEnd(End(outcome, outcome.value), AttemptUsage(**usage)),
            actor="test",
        )

    async def credit(self, run: Run, micros: int) -> None:
        credited = entry(run.account_id, EntryKind.CREDIT, micros)
        await self.storage.write(lambda tx: tx.ledger.append(credited))

    async def events(self, run: Run) -> list[RunEvent]:
        events: list[RunEvent] = await self.storage.read(lambda tx: tx.runs.events(run.id))
        return events

    async def abort(self, run: Run) -> Run:
        result = await write_end(
            self.storage,
            self.results,
            lambda tx, kept: abort_run(tx, self.rules, run.id, "test", kept),
        )
        assert result is not None
        moved: Run = result[1]
        return moved

    async def stored(self, run: Run) -> Run:
        current: Run | None = await self.storage.read(lambda tx: tx.runs.get(run.id))
        assert current is not None
        return current

    async def check_ended_once(self, run: Run) -> Run:
        """Check: one terminal event, one delivery, no hold, no active attempt, no waiting subtask;
        return the run.
        """
        now = await self.stored(run)
        assert now.state.terminal

        def read_effects(tx: Transaction) -> Any:
            account = tx.accounts.get(run.account_id)
            assert account is not None
            sums = tx.ledger.sums(run.account_id)
            assert sums == (account.balance_micros, account.held_micros, account.traffic_bytes)
            return (
                [e for e in tx.runs.events(run.id) if RunState(e.after).terminal],
                tx.outbox.of_run(run.id),
                account.held_micros,
                [s for s in tx.runs.subtasks(run.id) if s.outcome is None],
                [a for a in tx.runs.attempts(run.id) if a.outcome is None],
            )

        events, deliveries, held, waiting, alive = await self.storage.read(read_effects)
        assert len(events) == len(deliveries) == 1
        assert (held, waiting, alive) == (0, [], [])
        return now
