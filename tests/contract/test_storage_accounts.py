"""The contract of the state: accounts, their users and their keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.errors import Conflict
from fyke.model.account import Account
from support import records

pytestmark = pytest.mark.anyio
State = Any


async def test_accounts_are_found_by_name_and_by_role(state: State) -> None:
    operator, other = records.account(operator=True), records.account()
    assert await state.read(lambda tx: tx.accounts.operator()) is None
    await state.write(lambda tx: [tx.accounts.add(a) for a in (operator, other)])

    def read_accounts(tx: Transaction) -> list[Account | None]:
        by_name = tx.accounts.by_name(other.name), tx.accounts.operator(), tx.accounts.by_name("x")
        return [*by_name, *tx.accounts.all()]

    assert await state.read(read_accounts) == [other, operator, None, operator, other]
    assert await state.write(lambda tx: tx.accounts.lock(other.id)) == other
    assert await state.write(lambda tx: tx.accounts.lock("unknown")) is None


async def test_names_and_the_operator_are_unique(state: State) -> None:
    account = records.account(operator=True)
    await state.write(lambda tx: tx.accounts.add(account))
    with pytest.raises(Conflict, match="taken"):
        await state.write(lambda tx: tx.accounts.add(records.account(name=account.name)))
    with pytest.raises(Conflict, match="operator"):
        await state.write(lambda tx: tx.accounts.add(records.account(operator=True)))


async def test_users_are_found_by_id_and_listed(state: State) -> None:
    owner = records.account()
    ada = records.user(owner.id)
    bob = records.user(owner.id, name="bob", disabled=True)
    await state.write(lambda tx: tx.accounts.add(owner))
    await state.write(lambda tx: [tx.accounts.add_user(u) for u in (ada, bob)])
    assert await state.read(lambda tx: tx.accounts.user(bob.id)) == bob
    assert await state.read(lambda tx: tx.accounts.user("unknown")) is None
    assert await state.read(lambda tx: tx.accounts.users(owner.id)) == [ada, bob]
    assert not await state.read(lambda tx: tx.accounts.has_passwords())
    await state.write(lambda tx: tx.accounts.change_user(replace(bob, password_hash="-")))
    assert await state.read(lambda tx: tx.accounts.has_passwords())
    with pytest.raises(Conflict, match=ada.name):
        await state.write(lambda tx: tx.accounts.add_user(records.user(owner.id, name=ada.name)))


async def test_keys_are_revoked_once_by_id_or_name_within_their_account(state: State) -> None:
    owner, stranger = records.account(), records.account()
    first, second = records.key(owner.id), records.key(owner.id, name="laptop")
    await state.write(lambda tx: [tx.accounts.add(a) for a in (owner, stranger)])
    await state.write(lambda tx: [tx.accounts.add_key(k) for k in (first, second)])
    assert await state.read(lambda tx: tx.accounts.key_by_digest(first.digest)) == first
    assert await state.read(lambda tx: tx.accounts.key_by_digest("none")) is None
    assert await state.read(lambda tx: tx.accounts.key(first.id)) == first
    assert await state.read(lambda tx: tx.accounts.key("none")) is None

    def revoke(account_id: str, key_id: str) -> Any:
        return state.write(lambda tx: tx.accounts.revoke_key(account_id, key_id, 77))

    assert not await revoke(stranger.id, first.id)
    assert await revoke(owner.id, first.id)
    assert not await revoke(owner.id, first.id)
    assert await revoke(owner.id, "laptop")
    await state.write(lambda tx: tx.accounts.touch_key(second.id, 99))
    keys = await state.read(lambda tx: tx.accounts.keys(owner.id))
    assert keys == [replace(first, revoked_at=77), replace(second, revoked_at=77, last_used_at=99)]
