"""Webhook endpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, UniqueConstraint, bindparam, case, delete, exists, select, update

from fyke.errors import Conflict
from fyke.model.callback import DeliveryAttempt
from fyke.model.webhook import Endpoint, WebhookEvent
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, record, was_applied

endpoints = Table(
    "webhook_endpoints",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("name"),
    text_column("url"),
    text_column("events"),  # JSON list
    text_column("description"),
    flag_column("enabled"),
    text_column("salt"),
    text_column("old_salt"),
    number_column("old_until"),
    number_column("created_at"),
    number_column("updated_at"),
    number_column("last_at"),
    number_column("last_status"),
    text_column("last_error"),
    text_column("last_reply"),
    number_column("failing_since"),
    text_column("channel"),
    text_column("sealed"),
    UniqueConstraint("account_id", "name"),
)

_LAST_ATTEMPT = ("last_at", "last_status", "last_error", "last_reply", "failing_since")
_FIXED = ("id", "account_id", "created_at", *_LAST_ATTEMPT)
_OF_ACCOUNT = Prepared(
    select(endpoints)
    .where(endpoints.c.account_id == bindparam("of_account"))
    .order_by(endpoints.c.name, endpoints.c.id)
)


class SqlWebhooks(SqlStore):
    """Implements ``WebhookStore``."""

    def add(self, endpoint: Endpoint) -> None:
        inserted = self._db.execute(insert_new(self._db, endpoints), _columns(endpoint))
        if not was_applied(inserted):
            raise _name_taken(endpoint)

    def get(self, endpoint_id: str) -> Endpoint | None:
        return self._first(select(endpoints).where(endpoints.c.id == endpoint_id))

    def lock(self, endpoint_id: str) -> Endpoint | None:
        query = select(endpoints).where(endpoints.c.id == endpoint_id)
        return self._first(query.with_for_update(key_share=True))

    def _first(self, query: Any) -> Endpoint | None:
        row = self._db.execute(query).mappings().first()
        return None if row is None else _endpoint(row)

    def of_account(self, account_id: str) -> list[Endpoint]:
        return [_endpoint(row) for row in _OF_ACCOUNT.rows(self._db, {"of_account": account_id})]

    def listening(self, account_id: str, event: WebhookEvent) -> list[Endpoint]:
        candidates = self.of_account(account_id)
        return [
            candidate for candidate in candidates if candidate.enabled and event in candidate.events
        ]

    def save(self, endpoint: Endpoint) -> None:
        values = _columns(endpoint)
        for name in _FIXED:
            del values[name]
        other = endpoints.alias("other")
        taken = exists().where(
            other.c.account_id == endpoint.account_id,
            other.c.name == endpoint.name,
            other.c.id != endpoint.id,
        )
        change = update(endpoints).where(endpoints.c.id == endpoint.id, ~taken)
        if not was_applied(self._db.execute(change.values(**values))):
            raise _name_taken(endpoint)

    def note_try(self, endpoint_id: str, attempt: DeliveryAttempt, *, accepted: bool) -> None:
        since = endpoints.c.failing_since
        values = {
            "last_at": attempt.at,
            "last_status": attempt.status,
            "last_error": attempt.error,
            "last_reply": attempt.reply,
            "failing_since": 0 if accepted else case((since == 0, attempt.at), else_=since),
        }
        change = update(endpoints).where(endpoints.c.id == endpoint_id)
        self._db.execute(change.values(**values))

    def delete(self, endpoint_id: str) -> bool:
        return was_applied(self._db.execute(delete(endpoints).where(endpoints.c.id == endpoint_id)))


def _endpoint(row: Mapping[Any, Any]) -> Endpoint:
    return record({**row, "events": json.loads(row["events"])}, Endpoint)


def _columns(endpoint: Endpoint) -> dict[str, Any]:
    values = columns(endpoint)
    return values | {"events": json.dumps(values["events"])}


def _name_taken(endpoint: Endpoint) -> Conflict:
    return Conflict(
        f"there is a webhook named {endpoint.name!r} already; choose another", field="name"
    )
