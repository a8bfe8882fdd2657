"""The contract of the first password of the owner: it is set once, and recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.accounts.first_password import (
    DETAIL,
    needs_first_password,
    set_first_password,
)
from fyke.errors import InvalidRequest, LinkSpent, SignInFailed
from fyke.model.audit import AuditAction
from fyke.model.user import Purpose
from fyke.storage.sql.dialects import is_sqlite
from fyke.storage.sql.state.storage import open_storage
from support.auth import PASSWORD, Auth, open_auth

pytestmark = pytest.mark.anyio


@pytest.fixture
async def auth(state_url: str) -> AsyncIterator[Auth]:
    async with open_auth(state_url) as auth:
        yield auth


async def test_it_is_set_for_the_owner_and_recorded(auth: Auth) -> None:
    link = await auth.users.link(auth.owner, "owner")
    assert await needs_first_password(auth.storage)
    assert await set_first_password(auth.storage, auth.passwords, PASSWORD)
    assert not await needs_first_password(auth.storage)
    await auth.enter("owner")
    with pytest.raises(LinkSpent):
        await auth.links.read(Purpose.SETUP, link.token)
    entries = await auth.audit.page(auth.owner)
    [entry] = [entry for entry in entries if entry.action is AuditAction.PASSWORD]
    assert (entry.target, entry.detail) == ("owner", DETAIL)
    assert PASSWORD not in repr(entries)


async def test_a_password_that_was_chosen_stays(auth: Auth) -> None:
    await auth.set_up()
    assert not await needs_first_password(auth.storage)
    assert not await set_first_password(auth.storage, auth.passwords, "another long secret")
    await auth.enter("owner")


async def test_the_password_of_another_user_of_the_account_counts(auth: Auth) -> None:
    await auth.add("ada")
    assert not await set_first_password(auth.storage, auth.passwords, PASSWORD)
    with pytest.raises(SignInFailed):
        await auth.enter("owner")


async def test_a_weak_one_changes_nothing(auth: Auth) -> None:
    with pytest.raises(InvalidRequest):
        await set_first_password(auth.storage, auth.passwords, "owner-owner")
    assert await needs_first_password(auth.storage)


async def test_two_servers_set_it_once(auth: Auth, state_url: str) -> None:
    other = open_storage(state_url, durable=False, notify=lambda topic: None, hiding=frozenset())
    loop, is_set, commit = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def of_other(tx: Transaction) -> None:
        account = tx.accounts.operator()
        assert account is not None and tx.accounts.lock(account.id)
        [user] = tx.accounts.users(account.id)
        tx.accounts.change_user(replace(user, password_hash="of the other"))
        loop.call_soon_threadsafe(is_set.set)
        assert commit.wait(30)

    writing = asyncio.create_task(other.write(of_other))
    await is_set.wait()
    setting = asyncio.create_task(set_first_password(auth.storage, auth.passwords, PASSWORD))
    if not is_sqlite(other.engine):  # with SQLite its transaction has not begun
        while not await auth.storage.read(waits_for_lock):
            pass
    commit.set()
    await writing
    assert not await setting
    await other.close()


def waits_for_lock(tx: Transaction) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(tx.connection.exec_driver_sql(query).scalar())  # type: ignore[attr-defined]
