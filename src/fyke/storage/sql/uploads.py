"""Projects on their way in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from fyke.model.upload import Upload, UploadState
from fyke.storage.sql.records import columns, record, was_applied
from fyke.storage.sql.submission_tables import uploads

_FIXED = frozenset({"id", "account_id", "source", "created_at"})
_MOVING = tuple(state.value for state in UploadState if state.moving)


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


class SqlUploads:
    """``contracts.UploadStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, upload: Upload) -> None:
        self._db.execute(insert(uploads), _values(upload))

    def get(self, upload_id: str) -> Upload | None:
        row = self._db.execute(select(uploads).where(uploads.c.id == upload_id)).mappings().first()
        return None if row is None else _upload(row)

    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Upload]]:
        mine = uploads.c.account_id == account_id
        count = select(func.count()).select_from(uploads).where(mine)
        order = uploads.c.created_at.desc(), uploads.c.id.desc()
        page = select(uploads).where(mine).order_by(*order).offset(offset).limit(limit)
        found = [_upload(row) for row in self._db.execute(page).mappings()]
        return self._db.execute(count).scalar_one(), found

    def claim(self, upload_id: str, now: int, until: int) -> Upload | None:
        change = update(uploads).where(
            uploads.c.id == upload_id,
            uploads.c.state.in_(_MOVING),
            uploads.c.working_until < now,
        )
        taken = {"working_until": until, "state": UploadState.WORKING.value}
        if not was_applied(self._db.execute(change.values(**taken))):
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
