"""A task with a schedule in a real state, and the runs that it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fyke.contracts.state import Transaction
from fyke.domain.schedules.editing import ScheduleEdit, change_schedule
from fyke.domain.schedules.firing import Firing
from fyke.domain.schedules.rules import OWN_NAMES
from fyke.errors import TaskNotFound
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller
from fyke.model.run import Origin, Run, RunFilter, RunState
from fyke.model.schedule import Fire, Schedule
from fyke.model.task import Task
from fyke.storage.sql.state.storage import SqlStorage
from support import records


@dataclass
class Starts:
    """Replaces the runs service: adds a run and calls ``in_transaction`` with it."""

    storage: SqlStorage
    error: Exception | None = None
    before_commit: Callable[[], None] = lambda: None

    async def start_task(
        self,
        caller: Caller,
        task_ref: str,
        callback_url: str,
        origin: Origin,
        *,
        in_transaction: Callable[[Transaction, Run], None] | None = None,
    ) -> Run:
        if self.error is not None:
            raise self.error

        def work(tx: Transaction) -> Run:
            task = tx.tasks.get(task_ref)
            if task is None:
                raise TaskNotFound
            run = records.run(
                caller.account_id, task.worker_id, task_id=task.id, origin=origin, subtasks=0,
                created_at=tx.now,
            )  # fmt: skip
            tx.runs.add(run, [])
            tx.tasks.note_run(task.id, run.id)
            assert in_transaction is not None
            in_transaction(tx, run)
            return run

        return await self.storage.write(work)


@dataclass
class ScheduledTask:
    """A task, its state, and a clock that the test moves; ``firing`` starts its runs."""

    clock: ManualClock
    storage: SqlStorage
    starts: Starts
    firing: Firing
    task: Task = field(default_factory=lambda: records.task("", ""))

    async def schedule(self, change: ScheduleEdit) -> Schedule:
        def work(tx: Transaction) -> Schedule:
            change_schedule(tx, self.task, change, OWN_NAMES)
            schedule = tx.schedules.get(self.task.id)
            assert schedule is not None
            return schedule

        return await self.storage.write(work)

    async def now(self) -> Schedule:
        schedule = await self.storage.read(lambda tx: tx.schedules.get(self.task.id))
        assert schedule is not None
        return schedule

    async def fires(self) -> list[Fire]:
        """Return the recorded starts, oldest planned time first."""
        page = {"offset": 0, "limit": 100_000}
        _, fires = await self.storage.read(lambda tx: tx.schedules.fires(self.task.id, **page))
        return fires[::-1]

    async def runs(self) -> list[Run]:
        _, runs = await self.storage.read(
            lambda tx: tx.runs.page(self.task.account_id, RunFilter(), offset=0, limit=100_000)
        )
        return runs[::-1]

    async def end(self, run_id: str, state: RunState = RunState.SUCCEEDED) -> None:
        def work(tx: Transaction) -> None:
            run = tx.runs.get(run_id)
            assert run is not None
            ended = replace(run, state=state, finished_at=tx.now)
            assert tx.runs.move(ended, run.state)

        await self.storage.write(work)

    def at(self, moment: int) -> None:
        self.clock.advance((moment - self.clock.now_ms()) / 1000)
