"""Sensitive actions require the password again after some minutes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from fyke.domain.accounts.audit_actions import WRONG_CODE
from fyke.domain.accounts.rights import CONFIRMED_MS
from fyke.domain.accounts.sessions import NewSession
from fyke.errors import (
    CodeWrong,
    ConfirmationNeeded,
    Forbidden,
    InvalidRequest,
    RateLimited,
    SessionEnded,
)
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.user import Purpose
from support.auth import PASSWORD, Auth

pytestmark = pytest.mark.anyio
VALID = CONFIRMED_MS / 1000

ACTIONS: dict[str, Callable[[Auth, Caller], Awaitable[object]]] = {
    "create a key": lambda auth, caller: auth.accounts.create_key(caller, "k"),
    "add an account": lambda auth, caller: auth.accounts.add_account(caller, "second"),
    "invite": lambda auth, caller: auth.users.invite(caller, "eve", "member"),
    "link": lambda auth, caller: auth.users.link(caller, "ben"),
    "role": lambda auth, caller: auth.users.change_role(caller, "ben", "viewer"),
    "disable": lambda auth, caller: auth.users.disable(caller, "ben"),
    "enable": lambda auth, caller: auth.users.enable(caller, "ben"),
    "remove": lambda auth, caller: auth.users.remove(caller, "ben"),
    "second factor": lambda auth, caller: auth.second_factors.begin(caller, ""),
    "second factor off": lambda auth, caller: auth.second_factors.disable(caller),
    "end sessions": lambda auth, caller: auth.sessions.revoke_others(caller, caller.session_id),
    "end a session": lambda auth, caller: auth.sessions.revoke(caller, caller.session_id),
    "reset": lambda auth, caller: auth.second_factors.reset(caller, "ada"),
}


@pytest.mark.parametrize("name", ACTIONS)
async def test_a_confirmation_expires_after_some_minutes(auth: Auth, name: str) -> None:
    session, act = await auth.set_up(), ACTIONS[name]
    await auth.add("ben")
    await auth.with_app(await auth.add("ada"))
    auth.clock.advance(VALID)
    caller = await auth.caller(session)
    before = len(await auth.audit.page(auth.owner, limit=200))
    with pytest.raises(ConfirmationNeeded):
        await act(auth, caller)
    assert len(await auth.audit.page(auth.owner, limit=200)) == before
    token = await auth.confirmations.confirm(caller, PASSWORD, "")
    with pytest.raises(SessionEnded):  # the previous token is invalid, so a stolen one is useless
        await auth.caller(session)
    confirmed = (await auth.sessions.authenticate(token)).caller
    assert confirmed.session_id == session.id
    await act(auth, confirmed)


async def test_a_sign_in_counts_as_a_confirmation_of_its_own_session_only(
    auth: Auth,
) -> None:
    first = await auth.set_up()
    auth.clock.advance(VALID - 1)
    second = await auth.enter("owner")
    await auth.users.invite(await auth.caller(first), "one", "member")
    auth.clock.advance(2)
    await auth.users.invite(await auth.caller(second), "two", "member")
    with pytest.raises(ConfirmationNeeded):
        await auth.users.invite(await auth.caller(first), "three", "member")


async def test_a_confirmation_requires_the_password_and_the_code(auth: Auth) -> None:
    session = await auth.add("ada", "owner")
    secret, codes = await auth.with_app(session)
    auth.clock.advance(VALID)
    caller = await auth.caller(session)
    with pytest.raises(ConfirmationNeeded) as needed:
        await auth.users.invite(caller, "eve", "member")
    assert needed.value.code
    with pytest.raises(InvalidRequest, match=r"^password: "):
        await auth.confirmations.confirm(caller, "wrong", codes[0])
    for wrong in ("", "000000"):
        with pytest.raises(CodeWrong):
            await auth.confirmations.confirm(caller, PASSWORD, wrong)
    with pytest.raises(ConfirmationNeeded):  # its new session would count as confirmed
        await auth.profiles.change_password(caller, PASSWORD, "another long one", "", "")
    token = await auth.confirmations.confirm(caller, PASSWORD, auth.code(secret))
    await auth.users.invite((await auth.sessions.authenticate(token)).caller, "eve", "member")
    logged = list(await auth.audit.page(auth.owner))
    assert AuditAction.CONFIRMED in [entry.action for entry in logged]
    failed = [entry for entry in logged if entry.action == AuditAction.CONFIRM_FAILED]
    assert [entry.detail for entry in failed] == [WRONG_CODE, WRONG_CODE, ""]
    assert {(entry.user_name, entry.session_id) for entry in failed} == {("ada", session.id)}
    assert AuditAction.SIGN_IN_FAILED not in [entry.action for entry in logged]


async def test_wrong_passwords_are_rate_limited(auth: Auth) -> None:
    caller = await auth.caller(await auth.set_up())
    for _ in range(6):
        with pytest.raises(InvalidRequest):
            await auth.confirmations.confirm(caller, "wrong", "")
    with pytest.raises(RateLimited):
        await auth.confirmations.confirm(caller, PASSWORD, "")
    with pytest.raises(RateLimited):  # counts against the same limit
        await auth.profiles.change_password(caller, PASSWORD, "another long one", "", "")


async def test_keys_are_not_confirmed_and_may_not_make_or_replace_owners(auth: Auth) -> None:
    await auth.set_up()
    await auth.add("ada", "owner")
    await auth.add("ben")
    await auth.users.invite(auth.owner, "eve", "owner")
    key = await auth.accounts.authenticate(
        (await auth.accounts.create_key(auth.owner, "elsewhere")).key
    )
    auth.clock.advance(VALID)
    await auth.users.invite(key, "dan", "member")
    for name in ("ben", "dan"):
        await auth.users.link(key, name)
    for name in ("owner", "ada", "eve"):
        with pytest.raises(Forbidden, match="link for an owner is not possible with an API key"):
            await auth.users.link(key, name)
        await auth.users.link(auth.owner, name)  # the local key
    for attempt in (
        auth.users.invite(key, "fay", "owner"),
        auth.users.change_role(key, "ben", "owner"),
    ):
        with pytest.raises(Forbidden, match="user an owner is not possible with an API key"):
            await attempt
    await auth.users.change_role(auth.owner, "ben", "owner")
    with pytest.raises(Forbidden, match="Only a session"):
        await auth.confirmations.confirm(key, PASSWORD, "")
    with pytest.raises(InvalidRequest, match="reserved"):
        await auth.accounts.revoke_key(auth.owner, "local")
        await auth.accounts.create_key(key, "local")


async def test_a_key_creates_links_for_the_owner_of_another_account_until_it_has_a_password(
    auth: Auth,
) -> None:
    await auth.set_up()
    key = await auth.accounts.authenticate(
        (await auth.accounts.create_key(auth.owner, "elsewhere")).key
    )
    await auth.accounts.add_account(key, "second")
    link = await auth.users.link(key, "second")
    await auth.links.use(Purpose.INVITE, link.token, PASSWORD, "", "")
    with pytest.raises(Forbidden, match="link for an owner is not possible with an API key"):
        await auth.users.link(key, "second")


async def test_each_new_session_starts_confirmed(auth: Auth) -> None:
    def verified(session: NewSession) -> Awaitable[int]:
        async def read() -> int:
            stored = await auth.storage.read(lambda tx: tx.sessions.get(session.id))
            return stored.verified_at if stored else 0

        return read()

    for session in (await auth.set_up(), await auth.enter("owner")):
        assert await verified(session) == auth.clock.now_ms()
    old = replace(await auth.caller(session), verified_at=0)  # of a release without confirmations
    with pytest.raises(ConfirmationNeeded):
        await auth.users.invite(old, "eve", "member")
