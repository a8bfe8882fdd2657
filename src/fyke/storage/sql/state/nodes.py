"""Nodes, and the tokens to join with."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Select, Table, UniqueConstraint, and_, delete, or_, select, update

from fyke.model.node_registry import Node, NodeToken
from fyke.storage.sql.dialects import insert_new, to_storable_text
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    reason_columns,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, record, was_applied

nodes = Table(
    "nodes",
    metadata,
    text_column("name", key=True),
    text_column("pool"),
    text_column("labels"),  # JSON object
    text_column("region"),
    text_column("join_id"),
    flag_column("ephemeral"),
    number_column("joined_at"),
    text_column("state"),
    text_column("state_by"),
    number_column("state_at"),
    *reason_columns(),
    number_column("drain_until"),
    flag_column("replacing"),
    number_column("epoch"),
    text_column("runner_id"),
    text_column("gateway_id"),
    text_column("address"),
    text_column("release"),
    number_column("seen_at"),
)

node_tokens = Table(
    "node_tokens",
    metadata,
    text_column("id", key=True),
    text_column("digest"),
    text_column("pool"),
    text_column("labels"),  # JSON object
    text_column("name_pattern"),
    number_column("uses"),
    number_column("expires_at"),
    text_column("created_by"),
    number_column("created_at"),
    number_column("used"),
    number_column("revoked_at"),
    UniqueConstraint("digest"),
)


class SqlNodes(SqlStore):
    """Implements ``NodeStore``."""

    def get(self, name: str) -> Node | None:
        return self._one(select(nodes).where(nodes.c.name == to_storable_text(name)))

    def lock(self, name: str) -> Node | None:
        query = select(nodes).where(nodes.c.name == to_storable_text(name))
        return self._one(query.with_for_update())

    def named(self, names: Collection[str]) -> dict[str, Node]:
        return self._by_name(_named(names))

    def lock_named(self, names: Collection[str]) -> dict[str, Node]:
        # in one order, or two that lock some of the same nodes might wait for each other
        return self._by_name(_named(names).order_by(nodes.c.name).with_for_update())

    def note_seen(self, names: Collection[str], at: int) -> None:
        query = update(nodes).where(nodes.c.name.in_([*map(to_storable_text, names)]))
        self._db.execute(query.values(seen_at=at))

    def _by_name(self, query: Select[Any]) -> dict[str, Node]:
        rows = self._db.execute(query).mappings()
        return {str(row["name"]): record(_with_labels(row), Node) for row in rows}

    def _one(self, query: Select[Any]) -> Node | None:
        row = self._db.execute(query).mappings().first()
        return None if row is None else record(_with_labels(row), Node)

    def all(self) -> list[Node]:
        rows = self._db.execute(select(nodes).order_by(nodes.c.name)).mappings()
        return [record(_with_labels(row), Node) for row in rows]

    def add(self, node: Node) -> bool:
        return was_applied(self._db.execute(insert_new(self._db, nodes), _values(node)))

    def change(self, node: Node) -> None:
        query = update(nodes).where(nodes.c.name == to_storable_text(node.name))
        self._db.execute(query.values(**_values(node)))

    def remove(self, name: str) -> bool:
        query = delete(nodes).where(nodes.c.name == to_storable_text(name))
        return was_applied(self._db.execute(query))


class SqlNodeTokens(SqlStore):
    """Implements ``NodeTokenStore``."""

    def add(self, token: NodeToken) -> None:
        self._db.execute(node_tokens.insert(), _values(token))

    def by_digest(self, digest: str) -> NodeToken | None:
        query = select(node_tokens).where(node_tokens.c.digest == to_storable_text(digest))
        row = self._db.execute(query).mappings().first()
        return None if row is None else record(_with_labels(row), NodeToken)

    def all(self) -> list[NodeToken]:
        order = node_tokens.c.created_at.desc(), node_tokens.c.id.desc()
        rows = self._db.execute(select(node_tokens).order_by(*order)).mappings()
        return [record(_with_labels(row), NodeToken) for row in rows]

    def use(self, digest: str, now: int) -> bool:
        tokens = node_tokens.c
        usable = and_(
            tokens.digest == to_storable_text(digest),
            tokens.revoked_at == 0,
            tokens.expires_at > now,
            or_(tokens.uses == 0, tokens.used < tokens.uses),
        )
        query = update(node_tokens).where(usable).values(used=tokens.used + 1)
        return was_applied(self._db.execute(query))

    def revoke(self, token_id: str, now: int) -> bool:
        tokens = node_tokens.c
        valid = and_(tokens.id == to_storable_text(token_id), tokens.revoked_at == 0)
        return was_applied(
            self._db.execute(update(node_tokens).where(valid).values(revoked_at=now))
        )

    def remove_expired(self, before: int) -> int:
        return self._db.execute(
            delete(node_tokens).where(node_tokens.c.expires_at < before)
        ).rowcount


def _named(names: Collection[str]) -> Select[Any]:
    return select(nodes).where(nodes.c.name.in_([*map(to_storable_text, names)]))


def _values(of: Node | NodeToken) -> dict[str, Any]:
    return columns(of) | {"labels": json.dumps(dict(of.labels), sort_keys=True)}


def _with_labels(row: Mapping[Any, Any]) -> dict[str, Any]:
    values = {str(name): value for name, value in row.items()}
    return values | {"labels": json.loads(values["labels"])}
