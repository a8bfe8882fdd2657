"""Subtasks: the parts of a run, and what still waits of them."""

from __future__ import annotations

from sqlalchemy import Connection, select, text, update

from fyke.model.run import Outcome, Subtask, SubtaskState
from fyke.storage.sql.dialects import driver_sql, locking, to_storable_text
from fyke.storage.sql.records import many, was_applied
from fyke.storage.sql.tables import subtasks

# as literal text, because a partial index is used only where the database sees its condition
_WAITING = text("state = 'waiting'")


class SubtaskTable:
    """The part of ``contracts.RunStore`` that knows subtasks."""

    _db: Connection

    def subtasks(self, run_id: str) -> list[Subtask]:
        """By ordinal."""
        query = select(subtasks).where(subtasks.c.run_id == run_id)
        return many(self._db.execute(query.order_by(subtasks.c.ordinal)), Subtask)

    def subtask_page(self, run_id: str, *, offset: int, limit: int) -> list[Subtask]:
        query = select(subtasks).where(subtasks.c.run_id == run_id)
        page = query.order_by(subtasks.c.ordinal).limit(limit).offset(offset)
        return many(self._db.execute(page), Subtask)

    def end_subtask(self, run_id: str, ordinal: int, outcome: Outcome, err_msg: str) -> bool:
        self._hold_run(run_id)
        living = subtasks.c.state != str(SubtaskState.ENDED)
        change = update(subtasks).where(
            subtasks.c.run_id == run_id, subtasks.c.ordinal == ordinal, living
        )
        return was_applied(self._db.execute(change.values(**_ending(outcome, err_msg))))

    def end_waiting_subtasks(self, run_id: str, outcome: Outcome, err_msg: str) -> int:
        self._hold_run(run_id)
        change = update(subtasks).where(subtasks.c.run_id == run_id, _WAITING)
        return self._db.execute(change.values(**_ending(outcome, err_msg))).rowcount

    def _hold_run(self, run_id: str) -> None:
        """Whoever holds ``RunStore.lock`` is promised that no subtask changes meanwhile."""
        lock = locking(self._db, "FOR NO KEY UPDATE")
        if lock:
            statement = driver_sql(self._db, "SELECT 1 FROM runs WHERE id = ?") + lock
            self._db.exec_driver_sql(statement, (to_storable_text(run_id),))


def _ending(outcome: Outcome, err_msg: str) -> dict[str, str]:
    return {"state": str(SubtaskState.ENDED), "outcome": str(outcome), "err_msg": err_msg}
