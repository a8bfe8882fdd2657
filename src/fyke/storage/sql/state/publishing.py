"""Uploads, and submissions of versions for review."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Index, Table, delete, func, insert, literal_column, select, update

from fyke.errors import Conflict
from fyke.model.submission import Submission, SubmissionState
from fyke.model.upload import Upload, UploadState
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    partial_index,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one, record, was_applied

submissions = Table(
    "submissions",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    ref_column("worker_id", "workers.id"),
    text_column("version"),
    text_column("state"),
    text_column("note"),
    number_column("created_at"),
    number_column("decided_at"),
    text_column("decided_by"),
    text_column("reply"),
    text_column("sample_run_id"),  # no reference: the run may be deleted
    Index(None, "worker_id", "created_at", "id"),
    Index(None, "state", "created_at", "id"),
)
# at most one waiting submission per worker, even with concurrent requests
partial_index(
    "uq_submissions_waiting",
    submissions.c.worker_id,
    unique=True,
    where="state = 'waiting'",
)

uploads = Table(
    "uploads",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("source"),
    text_column("state"),
    text_column("label"),  # file name or address, for display
    text_column("git_url"),
    text_column("git_ref"),
    text_column("git_folder"),
    text_column("git_commit"),
    number_column("size"),
    text_column("steps"),  # JSON list
    text_column("findings"),  # JSON list
    text_column("digest"),
    text_column("language"),
    text_column("title"),
    text_column("description"),
    text_column("input_schema"),
    text_column("output_schema"),
    text_column("worker_id"),
    text_column("version"),
    text_column("test_run_id"),
    number_column("working_until"),
    number_column("created_at"),
    number_column("updated_at"),
    text_column("egress", null=True),  # JSON list of domains; NULL = nothing declared
    flag_column("builds"),
    text_column("browser"),
    flag_column("browser_declared"),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "created_at", "id"),
)

# a literal, because a partial index is used only if the statement has its condition verbatim
_WAITING = submissions.c.state == literal_column("'waiting'")


class SqlSubmissions(SqlStore):
    """Implements ``SubmissionStore``."""

    def add(self, submission: Submission) -> None:
        inserted = self._db.execute(insert_new(self._db, submissions), columns(submission))
        if not was_applied(inserted):
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
        in_states = submissions.c.state.in_(sorted(state.value for state in states))
        waiting = set(states) == {SubmissionState.WAITING}
        count = select(func.count()).select_from(submissions).where(in_states)
        order = (
            (submissions.c.created_at, submissions.c.id)
            if waiting
            else (submissions.c.created_at.desc(), submissions.c.id.desc())
        )
        page = select(submissions).where(in_states).order_by(*order).offset(offset).limit(limit)
        return self._db.execute(count).scalar_one(), many(self._db.execute(page), Submission)

    def end(self, ended: Submission) -> bool:
        decision = ("state", "decided_at", "decided_by", "reply")
        values = {name: columns(ended)[name] for name in decision}
        change = update(submissions).where(submissions.c.id == ended.id, _WAITING)
        return was_applied(self._db.execute(change.values(**values)))

    def note_sample(self, submission_id: str, run_id: str) -> None:
        change = update(submissions).where(submissions.c.id == submission_id)
        self._db.execute(change.values(sample_run_id=run_id))


_FIXED = frozenset({"id", "account_id", "source", "created_at"})
_IN_PROGRESS = tuple(state.value for state in UploadState if state.in_progress)


def _values(upload: Upload) -> dict[str, Any]:
    values = columns(upload)
    lists = {name: json.dumps(values[name]) for name in ("steps", "findings")}
    egress = None if upload.egress is None else json.dumps(upload.egress)
    return values | lists | {"egress": egress}


def _upload(row: Mapping[Any, Any]) -> Upload:
    values: dict[str, Any] = dict(row)
    lists = {name: json.loads(values[name]) for name in ("steps", "findings")}
    egress = None if values["egress"] is None else json.loads(values["egress"])
    return record(values | lists | {"egress": egress}, Upload)


class SqlUploads(SqlStore):
    """Implements ``UploadStore``."""

    def add(self, upload: Upload) -> None:
        self._db.execute(insert(uploads), _values(upload))

    def get(self, upload_id: str) -> Upload | None:
        row = self._db.execute(select(uploads).where(uploads.c.id == upload_id)).mappings().first()
        return None if row is None else _upload(row)

    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Upload]]:
        of_account = uploads.c.account_id == account_id
        count = select(func.count()).select_from(uploads).where(of_account)
        order = uploads.c.created_at.desc(), uploads.c.id.desc()
        page = select(uploads).where(of_account).order_by(*order).offset(offset).limit(limit)
        items = [_upload(row) for row in self._db.execute(page).mappings()]
        return self._db.execute(count).scalar_one(), items

    def claim(self, upload_id: str, now: int, until: int) -> Upload | None:
        change = update(uploads).where(
            uploads.c.id == upload_id,
            uploads.c.state.in_(_IN_PROGRESS),
            uploads.c.working_until < now,
        )
        claimed = {"working_until": until, "state": UploadState.WORKING.value}
        if not was_applied(self._db.execute(change.values(**claimed))):
            return None
        return self.get(upload_id)

    def update(self, upload: Upload) -> bool:
        values = {name: value for name, value in _values(upload).items() if name not in _FIXED}
        change = update(uploads).where(uploads.c.id == upload.id)
        return was_applied(self._db.execute(change.values(**values)))

    def delete(self, upload_id: str) -> bool:
        return was_applied(self._db.execute(delete(uploads).where(uploads.c.id == upload_id)))

    def older_than(self, at: int, limit: int) -> list[Upload]:
        query = select(uploads).where(uploads.c.created_at < at)
        query = query.order_by(uploads.c.created_at, uploads.c.id).limit(limit)
        return [_upload(row) for row in self._db.execute(query).mappings()]
