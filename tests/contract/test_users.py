"""The contract of users: names, sessions, links, preferences, audit log, concurrent changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.accounts.sessions import NewSession
from fyke.errors import Conflict, LinkSpent, Refused
from fyke.model.account import Role, Scope
from fyke.model.audit import AuditAction, NewAudit
from fyke.model.user import OneTimeLink, Preferences, Purpose, SecondFactor, Session
from support import records
from support.auth import PASSWORD, Auth, open_auth

pytestmark = pytest.mark.anyio
State = Any


@pytest.fixture
async def auth(state_url: str) -> AsyncIterator[Auth]:
    async with open_auth(state_url) as auth:
        yield auth


async def person(state: State, **changes: Any) -> str:
    """Add a user in a new account; return its id."""
    account = records.account()
    user = records.user(account.id, **changes)

    def work(tx: Transaction) -> str:
        tx.accounts.add(account)
        tx.accounts.add_user(user)
        return user.id

    return str(await state.write(work))


def session(user_id: str, **changes: Any) -> Session:
    name = records.ordered_id()
    base = Session(name, user_id, f"digest-{name}", 1, 1, 100, 0, "a browser", "192.0.2.1")
    return replace(base, **changes)


# --- users ----------------------------------------------------------------------------------


async def test_a_name_belongs_to_one_user_of_the_installation(state: State) -> None:
    user_id = await person(state, name="ada")
    with pytest.raises(Conflict):
        await person(state, name="ada")
    user = await state.read(lambda tx: tx.accounts.user_by_name("ada"))
    assert user.id == user_id
    assert await state.read(lambda tx: tx.accounts.user_by_name("Ada")) is None


async def test_a_removed_user_loses_sessions_links_and_keys(state: State) -> None:
    user_id = await person(state, name="ada")
    other = await person(state, name="ben")

    def fill(tx: Transaction) -> None:
        user = tx.accounts.user(user_id)
        assert user is not None
        changed = replace(user, role=Role.VIEWER, disabled=True, password_hash="h")
        assert tx.accounts.change_user(changed)
        tx.accounts.add_key(records.key(user.account_id, user_id=user_id, name="mine"))
        tx.accounts.add_key(records.key(user.account_id, user_id=other, name="theirs"))
        tx.sessions.add(session(user_id))
        tx.links.put(OneTimeLink("d", Purpose.RESET, user_id, 1, 9))
        tx.second_factors.put(SecondFactor(user_id, "k", "sealed", 1))
        tx.second_factors.put_codes(user_id, ["a"])
        tx.preferences.put(user_id, Preferences(theme="dark"))

    await state.write(fill)
    stored = await state.read(lambda tx: tx.accounts.user(user_id))
    assert (stored.role, stored.disabled, stored.password_hash) == (Role.VIEWER, True, "h")
    assert await state.write(lambda tx: tx.accounts.remove_user(user_id, 77))
    assert not await state.write(lambda tx: tx.accounts.remove_user(user_id, 78))
    assert not await state.write(lambda tx: tx.accounts.change_user(stored))

    def read_remains(tx: Transaction) -> tuple[Any, ...]:
        keys = {key.name: key.revoked_at for key in tx.accounts.keys(stored.account_id)}
        preferences = tx.preferences.get(user_id)
        factor = tx.second_factors.get(user_id), tx.second_factors.count_codes(user_id)
        return keys, tx.sessions.of_user(user_id), tx.links.get("d"), *factor, preferences

    remains = ({"mine": 77, "theirs": 0}, [], None, None, 0, Preferences())
    assert await state.read(read_remains) == remains


async def test_scopes_are_stored_with_a_key(state: State) -> None:
    account = records.account()
    key = records.key(account.id, scopes=frozenset({Scope.RUN, Scope.READ}))

    def work(tx: Transaction) -> None:
        tx.accounts.add(account)
        tx.accounts.add_key(key)

    await state.write(work)
    assert await state.read(lambda tx: tx.accounts.key_by_digest(key.digest)) == key
    assert await state.read(lambda tx: tx.accounts.keys(account.id)) == [key]


async def test_the_address_of_a_user_is_confirmed(state: State) -> None:
    ada = await person(state, name="ada@example.org")
    assert (await state.read(lambda tx: tx.accounts.user(ada))).confirmed_at == 0
    assert await state.write(lambda tx: tx.accounts.confirm_user(ada, 7))
    assert not await state.write(lambda tx: tx.accounts.confirm_user("none", 7))
    assert (await state.read(lambda tx: tx.accounts.user(ada))).confirmed_at == 7


# --- second factors -------------------------------------------------------------------------


async def test_a_second_factor_is_enabled_used_and_removed(state: State) -> None:
    ada, ben = await person(state, name="ada"), await person(state, name="ben")
    factor = SecondFactor(ada, "k1", "sealed", 5)
    await state.write(lambda tx: tx.second_factors.put(replace(factor, sealed="older")))
    await state.write(lambda tx: tx.second_factors.put(factor))
    assert await state.read(lambda tx: tx.second_factors.get(ada)) == factor
    assert await state.read(lambda tx: tx.second_factors.get(ben)) is None
    both = (ada, ben, "none")
    assert await state.read(lambda tx: tx.second_factors.enabled(both)) == frozenset()
    assert await state.write(lambda tx: tx.second_factors.enable(ada, 7))
    assert not await state.write(lambda tx: tx.second_factors.enable(ada, 8))
    assert not await state.write(lambda tx: tx.second_factors.enable(ben, 8))
    assert await state.read(lambda tx: tx.second_factors.enabled(both)) == {ada}
    for step, used in ((3, True), (3, False), (2, False), (4, True)):
        assert await state.write(lambda tx, s=step: tx.second_factors.use_step(ada, s)) is used
    assert not await state.write(lambda tx: tx.second_factors.use_step(ben, 9))
    stored = replace(factor, enabled_at=7, last_step=4)
    assert await state.read(lambda tx: tx.second_factors.get(ada)) == stored
    await state.write(lambda tx: tx.second_factors.put_codes(ada, ["a", "b"]))
    assert not await state.write(lambda tx: tx.second_factors.remove(ben))
    assert await state.write(lambda tx: tx.second_factors.remove(ada))
    assert await state.read(lambda tx: tx.second_factors.get(ada)) is None
    assert await state.read(lambda tx: tx.second_factors.count_codes(ada)) == 0


async def test_recovery_codes_are_replaced_and_each_used_once(state: State) -> None:
    ada, ben = await person(state, name="ada"), await person(state, name="ben")
    for user, codes in ((ada, ["old", "both"]), (ben, ["both"]), (ada, ["a", "both", "c"])):
        await state.write(lambda tx, u=user, c=codes: tx.second_factors.put_codes(u, c))
    assert await state.read(lambda tx: tx.second_factors.count_codes(ada)) == 3

    def use(user: str, digest: str) -> Any:
        return state.write(lambda tx: tx.second_factors.use_code(user, digest))

    assert not await use(ada, "old")
    assert sorted(await asyncio.gather(use(ada, "both"), use(ada, "both"))) == [False, True]
    assert await state.read(lambda tx: tx.second_factors.count_codes(ben)) == 1


# --- sessions and links ---------------------------------------------------------------------


async def test_sessions_are_found_renewed_ended_and_removed(state: State) -> None:
    ada, ben = await person(state, name="ada"), await person(state, name="ben")
    first, second = session(ada), session(ada, seen_at=5, expires_at=200)
    bens = session(ben, expires_at=50)
    await state.write(lambda tx: [tx.sessions.add(new) for new in (first, second, bens)])
    assert await state.read(lambda tx: tx.sessions.by_digest(first.digest)) == first
    assert await state.read(lambda tx: tx.sessions.by_digest("none")) is None
    assert await state.read(lambda tx: tx.sessions.get(first.id)) == first
    assert await state.read(lambda tx: tx.sessions.get("none")) is None
    assert await state.read(lambda tx: tx.sessions.of_user(ada)) == [second, first]
    assert await state.read(lambda tx: tx.sessions.last_seen([ada, ben, "x"])) == {ada: 5, ben: 1}
    await state.write(lambda tx: tx.sessions.verify(bens.id, "new", 8))
    assert await state.read(lambda tx: tx.sessions.by_digest(bens.digest)) is None
    verified = replace(bens, digest="new", verified_at=8)
    assert await state.read(lambda tx: tx.sessions.by_digest("new")) == verified
    assert await state.read(lambda tx: tx.sessions.get(first.id)) == first
    await state.write(lambda tx: tx.sessions.touch(first.id, 9))
    assert (await state.read(lambda tx: tx.sessions.of_user(ada)))[0].id == first.id

    def end(**which: str) -> Any:
        return state.write(lambda tx: tx.sessions.end(ada, 11, **which))

    assert await end(session_id=bens.id) == 0
    assert await end(except_id=second.id) == 1
    assert await end(session_id=second.id) == 1
    assert await end() == 0
    ended = await state.read(lambda tx: tx.sessions.of_user(ada))
    assert [s.ended_at for s in ended] == [11, 11]
    assert await state.write(lambda tx: tx.sessions.keep_newest(ada, 2)) == 0
    another = session(ada, seen_at=1, expires_at=300)
    await state.write(lambda tx: tx.sessions.add(another))
    assert await state.write(lambda tx: tx.sessions.keep_newest(ada, 2)) == 1
    assert await state.read(lambda tx: tx.sessions.by_digest(another.digest)) is None
    assert await state.write(lambda tx: tx.sessions.remove_expired(100, 1)) == 1
    assert await state.write(lambda tx: tx.sessions.remove_expired(100, 9)) == 1
    assert await state.read(lambda tx: tx.sessions.of_user(ada)) == [replace(second, ended_at=11)]


async def test_a_newer_link_replaces_the_older_and_works_once(state: State) -> None:
    ada, ben = await person(state, name="ada"), await person(state, name="ben")
    old = OneTimeLink("old", Purpose.INVITE, ada, 1, 50)
    new = OneTimeLink("new", Purpose.RESET, ada, 2, 50)
    bens = OneTimeLink("bens", Purpose.RESET, ben, 2, 10)
    await state.write(lambda tx: [tx.links.put(link) for link in (old, new, bens)])
    assert await state.read(lambda tx: tx.links.get("old")) is None
    assert await state.read(lambda tx: tx.links.of_user(ada)) == new

    def use(digest: str, purpose: Purpose, now: int) -> Any:
        return state.write(lambda tx: tx.links.use(digest, purpose, now))

    assert await use("new", Purpose.INVITE, 20) is None
    assert await use("new", Purpose.RESET, 50) is None
    assert await use("new", Purpose.RESET, 49) == new
    assert await use("new", Purpose.RESET, 49) is None
    assert await state.write(lambda tx: tx.links.remove_expired(9)) == 0
    assert await state.write(lambda tx: tx.links.remove_expired(10)) == 1


async def test_concurrent_uses_of_a_link_set_one_password(auth: Auth) -> None:
    link = await auth.users.link(auth.owner, "owner")

    async def use(number: int) -> NewSession | Exception:
        try:
            return await auth.links.use(
                Purpose.SETUP, link.token, f"secret of number {number}", "", ""
            )
        except LinkSpent as error:
            return error

    results = await asyncio.gather(*(use(number) for number in range(8)))
    [winner] = [number for number, result in enumerate(results) if isinstance(result, NewSession)]
    await auth.enter("owner", f"secret of number {winner}")
    assert len(await auth.sessions.list(auth.owner)) == 2


async def test_owners_who_remove_each_other_leave_one(auth: Auth) -> None:
    await auth.set_up()
    owner = await auth.caller(await auth.enter("owner"))
    ada = await auth.caller(await auth.add("ada", "owner"))

    async def remove(caller: Any, name: str) -> bool:
        try:
            await auth.users.remove(caller, name)
        except Refused as error:
            assert "last owner" in error.message
            return False
        return True

    results = await asyncio.gather(remove(owner, "ada"), remove(ada, "owner"))
    assert sorted(results) == [False, True]
    left = await auth.users.list(auth.owner)
    assert [item.user.role for item in left] == [Role.OWNER]


# --- preferences and the log ----------------------------------------------------------------


async def test_preferences_are_stored_completely(state: State) -> None:
    ada = await person(state, name="ada")
    assert await state.read(lambda tx: tx.preferences.get(ada)) == Preferences()
    chosen = Preferences("zh-Hans", "dark", "Asia/Tokyo", "go", {"runs": "state=失败"})
    for preferences in (Preferences(), chosen):
        await state.write(lambda tx, preferences=preferences: tx.preferences.put(ada, preferences))
        assert await state.read(lambda tx: tx.preferences.get(ada)) == preferences


async def test_the_audit_log_is_newest_first_and_loses_the_oldest(state: State) -> None:
    def add(tx: Transaction) -> None:
        for number, account in enumerate("aabab"):
            action = AuditAction.PLAN if number % 2 else AuditAction.ROLE
            tx.audit.add(NewAudit(account, "u", "ada", "k", "", "::1", action, f"t{number}", "\0"))

    await state.write(add)

    def page(
        account: str, before: int = 0, limit: int = 9, action: str = "", target: str = ""
    ) -> Any:
        return state.read(
            lambda tx: tx.audit.page(
                account, before=before, limit=limit, action=action, target=target
            )
        )

    newest = await page("a")
    assert [entry.target for entry in newest] == ["t3", "t1", "t0"]
    assert newest[0].detail == "\ufffd" and newest[0].at > 1_700_000_000_000
    assert [entry.target for entry in await page("a", newest[0].seq, 1)] == ["t1"]
    assert [entry.target for entry in await page("a", action=AuditAction.ROLE)] == ["t0"]
    assert [entry.target for entry in await page("a", target="t1")] == ["t1"]
    assert await page("a", target="t2") == await page("a", target="t1\0") == []
    assert await state.write(lambda tx: tx.audit.remove_before(newest[0].at, 9)) == 0
    assert await state.write(lambda tx: tx.audit.remove_before(newest[0].at + 1, 2)) == 2
    assert [entry.target for entry in await page("a")] == ["t3"]


async def test_failed_actions_are_not_in_the_audit_log(auth: Auth) -> None:
    with pytest.raises(Conflict):
        await auth.accounts.add_account(auth.owner, "owner")
    with pytest.raises(Conflict):
        await auth.users.invite(auth.owner, "owner", "member")
    assert await auth.audit.page(auth.owner) == []
    await auth.add("ada", password=PASSWORD)
    with pytest.raises(Conflict):
        await auth.accounts.add_account(auth.owner, "ada")
    acts = [entry.action for entry in await auth.audit.page(auth.owner)]
    assert acts == [AuditAction.PASSWORD, AuditAction.INVITE]
