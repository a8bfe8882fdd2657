"""Versions that wait for a review, and what became of them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, literal_column, select, update

from fyke.errors import Conflict
from fyke.model.submission import Submission, SubmissionState
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.records import columns, many, one, was_applied
from fyke.storage.sql.submission_tables import submissions

# as literal text, because a partial index is used only where the database sees its condition
_WAITING = submissions.c.state == literal_column("'waiting'")


class SqlSubmissions:
    """``contracts.SubmissionStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, submission: Submission) -> None:
        done = self._db.execute(insert_new(self._db, submissions), columns(submission))
        if not was_applied(done):
            raise Conflict("another version of this worker was submitted at the same moment")

    def get(self, submission_id: str) -> Submission | None:
        query = select(submissions).where(submissions.c.id == submission_id)
        return one(self._db.execute(query), Submission)

    def waiting_of(self, worker_id: str) -> Submission | None:
        query = select(submissions).where(submissions.c.worker_id == worker_id, _WAITING)
        return one(self._db.execute(query), Submission)

    def of_worker(self, worker_id: str, limit: int) -> list[Submission]:
        query = select(submissions).where(submissions.c.worker_id == worker_id)
        order = submissions.c.created_at.desc(), submissions.c.id.desc()
        return many(self._db.execute(query.order_by(*order).limit(limit)), Submission)

    def of_version(self, worker_id: str, number: str) -> Submission | None:
        query = select(submissions).where(
            submissions.c.worker_id == worker_id, submissions.c.version == number
        )
        order = submissions.c.created_at.desc(), submissions.c.id.desc()
        return one(self._db.execute(query.order_by(*order).limit(1)), Submission)

    def page(
        self, states: Collection[SubmissionState], *, offset: int, limit: int
    ) -> tuple[int, list[Submission]]:
        wanted = submissions.c.state.in_(sorted(state.value for state in states))
        waiting = set(states) == {SubmissionState.WAITING}
        count = select(func.count()).select_from(submissions).where(wanted)
        order = (
            (submissions.c.created_at, submissions.c.id)
            if waiting
            else (submissions.c.created_at.desc(), submissions.c.id.desc())
        )
        page = select(submissions).where(wanted).order_by(*order).offset(offset).limit(limit)
        return self._db.execute(count).scalar_one(), many(self._db.execute(page), Submission)

    def end(self, ended: Submission) -> bool:
        values = {n: columns(ended)[n] for n in ("state", "decided_at", "decided_by", "reply")}
        change = update(submissions).where(submissions.c.id == ended.id, _WAITING)
        return was_applied(self._db.execute(change.values(**values)))

    def note_sample(self, submission_id: str, run_id: str) -> None:
        change = update(submissions).where(submissions.c.id == submission_id)
        self._db.execute(change.values(sample_run_id=run_id))
