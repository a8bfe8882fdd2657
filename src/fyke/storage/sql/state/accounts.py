"""Accounts, their users and their keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Index, Table, UniqueConstraint, and_, delete, or_, select, update

from fyke.domain.accounts.scopes import scope_text
from fyke.errors import Conflict
from fyke.model.account import Account, ApiKey, Plan, User
from fyke.storage.sql.dialects import fetch_one, insert_new, locking, to_storable_text
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    partial_index,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one, record, was_applied

accounts = Table(
    "accounts",
    metadata,
    text_column("id", key=True),
    text_column("name"),
    flag_column("operator"),
    number_column("balance_micros"),
    number_column("held_micros"),
    number_column("traffic_bytes"),
    number_column("traffic_expires_at"),
    number_column("created_at"),
    text_column("time_zone"),
    text_column("plan"),
    number_column("run_cap_micros"),
    number_column("month_cap_micros"),
    UniqueConstraint("name"),
)

# at most one account operates the installation, even when two processes start at once
partial_index(
    "uq_accounts_operator",
    accounts.c.operator,
    unique=True,
    where="operator",
)

users = Table(
    "users",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("name"),
    text_column("role"),
    flag_column("disabled"),
    text_column("password_hash"),
    number_column("created_at"),
    number_column("confirmed_at"),
    UniqueConstraint("account_id", "name"),
    Index("uq_users_name", "name", unique=True),  # users sign in by name alone
)

api_keys = Table(
    "api_keys",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("user_id"),
    text_column("name"),
    text_column("prefix"),
    text_column("digest"),
    number_column("created_at"),
    number_column("expires_at"),
    number_column("revoked_at"),
    number_column("last_used_at"),
    number_column("rate_limit"),
    text_column("scopes"),
    UniqueConstraint("digest"),
    Index(None, "account_id"),
)

_BY_ID = "SELECT * FROM accounts WHERE id = ?"
_USER_BY_ID = "SELECT * FROM users WHERE id = ?"
_BY_DIGEST = "SELECT * FROM api_keys WHERE digest = ?"


class SqlAccounts(SqlStore):
    """Implements ``AccountStore``."""

    def add(self, account: Account) -> None:
        inserted = self._db.execute(insert_new(self._db, accounts), columns(account))
        if not was_applied(inserted):
            raise Conflict(self._conflict_message(account))

    def _conflict_message(self, account: Account) -> str:
        if self.by_name(account.name) is None and account.operator and self.operator():
            return "There already is an operator account; an installation has exactly one"
        return f"The account name {account.name!r} is taken; choose another one"

    def get(self, account_id: str) -> Account | None:
        return self._get(_BY_ID, account_id)

    def get_all(self, account_ids: Collection[str]) -> dict[str, Account]:
        if not account_ids:
            return {}
        query = select(accounts).where(accounts.c.id.in_(account_ids))
        return {account.id: account for account in many(self._db.execute(query), Account)}

    def lock(self, account_id: str) -> Account | None:
        return self._get(_BY_ID + locking(self._db, "FOR NO KEY UPDATE"), account_id)

    def _get(self, statement: str, account_id: str) -> Account | None:
        row = fetch_one(self._db, statement, (to_storable_text(account_id),))
        return None if row is None else record(row, Account)

    def by_name(self, name: str) -> Account | None:
        return one(self._db.execute(select(accounts).where(accounts.c.name == name)), Account)

    def operator(self) -> Account | None:
        return one(self._db.execute(select(accounts).where(accounts.c.operator)), Account)

    def all(self) -> list[Account]:
        order = accounts.c.created_at, accounts.c.id
        return many(self._db.execute(select(accounts).order_by(*order)), Account)

    def set_time_zone(self, account_id: str, time_zone: str) -> None:
        change = update(accounts).where(accounts.c.id == account_id)
        self._db.execute(change.values(time_zone=time_zone))

    def set_plan(self, account_id: str, plan: Plan) -> None:
        change = update(accounts).where(accounts.c.id == account_id)
        self._db.execute(change.values(plan=plan.value))

    def set_caps(self, account_id: str, *, run_cap_micros: int, month_cap_micros: int) -> None:
        caps = {"run_cap_micros": run_cap_micros, "month_cap_micros": month_cap_micros}
        self._db.execute(update(accounts).where(accounts.c.id == account_id).values(caps))

    def add_user(self, user: User) -> None:
        inserted = self._db.execute(insert_new(self._db, users), columns(user))
        if not was_applied(inserted):
            raise Conflict(f"The user name {user.name!r} is taken; choose another one")

    def user(self, user_id: str) -> User | None:
        # runs once per request, hence directly on the driver
        row = fetch_one(self._db, _USER_BY_ID, (to_storable_text(user_id),))
        return None if row is None else record(row, User)

    def user_by_name(self, name: str) -> User | None:
        return one(self._db.execute(select(users).where(users.c.name == name)), User)

    def change_user(self, user: User) -> bool:
        values = {
            "role": user.role.value,
            "disabled": user.disabled,
            "password_hash": user.password_hash,
        }
        return was_applied(
            self._db.execute(update(users).where(users.c.id == user.id).values(values))
        )

    def confirm_user(self, user_id: str, at: int) -> bool:
        change = update(users).where(users.c.id == user_id).values(confirmed_at=at)
        return was_applied(self._db.execute(change))

    def remove_user(self, user_id: str, at: int) -> bool:
        valid_keys = and_(api_keys.c.user_id == user_id, api_keys.c.revoked_at == 0)
        self._db.execute(update(api_keys).where(valid_keys).values(revoked_at=at))
        return was_applied(self._db.execute(delete(users).where(users.c.id == user_id)))

    def users(self, account_id: str) -> list[User]:
        query = select(users).where(users.c.account_id == account_id)
        return many(self._db.execute(query.order_by(users.c.created_at, users.c.id)), User)

    def has_passwords(self) -> bool:
        query = select(users.c.id).where(users.c.password_hash != "").limit(1)
        return self._db.execute(query).first() is not None

    def add_key(self, key: ApiKey) -> None:
        values = {**columns(key), "scopes": scope_text(key.scopes)}
        inserted = self._db.execute(insert_new(self._db, api_keys), values)
        if not was_applied(inserted):
            raise Conflict("This API key already exists; create a new one")

    def key(self, key_id: str) -> ApiKey | None:
        query = select(api_keys).where(api_keys.c.id == to_storable_text(key_id))
        row = self._db.execute(query).mappings().first()
        return None if row is None else _key(row)

    def key_by_digest(self, digest: str) -> ApiKey | None:
        # runs once per request, hence directly on the driver
        row = fetch_one(self._db, _BY_DIGEST, (to_storable_text(digest),))
        return None if row is None else _key(row)

    def keys(self, account_id: str) -> list[ApiKey]:
        query = select(api_keys).where(api_keys.c.account_id == account_id)
        order = api_keys.c.created_at, api_keys.c.id
        return [_key(row) for row in self._db.execute(query.order_by(*order)).mappings()]

    def revoke_key(self, account_id: str, key_id: str, at: int) -> bool:
        valid = and_(api_keys.c.account_id == account_id, api_keys.c.revoked_at == 0)
        by_id_or_name = or_(api_keys.c.id == key_id, api_keys.c.name == key_id)
        return was_applied(
            self._db.execute(update(api_keys).where(valid, by_id_or_name).values(revoked_at=at))
        )

    def touch_key(self, key_id: str, at: int) -> None:
        self._db.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))


def _key(row: Mapping[Any, Any]) -> ApiKey:
    values = {str(name): value for name, value in row.items()}
    return record({**values, "scopes": values["scopes"].split()}, ApiKey)
