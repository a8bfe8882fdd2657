"""The second factor: codes of an app, recovery codes, and their limits."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from fyke.domain.accounts.codes import RECOVERY_CODES, STEP_MS, TICKET_MS, PendingSignIn
from fyke.domain.accounts.sessions import NewSession
from fyke.errors import (
    CodeWrong,
    ConfirmationNeeded,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    Refused,
    SessionEnded,
)
from fyke.model.audit import AuditAction
from fyke.model.user import Purpose
from support.auth import AWAY, HOME, PASSWORD, Auth

pytestmark = pytest.mark.anyio
STEP = STEP_MS / 1000


async def pending(auth: Auth, name: str) -> PendingSignIn:
    started = await auth.sessions.sign_in(name, PASSWORD, "a browser", HOME)
    assert isinstance(started, PendingSignIn)
    return started


async def enter(auth: Auth, name: str, code: str, address: str = HOME) -> NewSession:
    started = await auth.sessions.sign_in(name, PASSWORD, "a browser", address)
    assert isinstance(started, PendingSignIn)
    return await auth.sessions.enter_code(started.ticket, code, "a browser", address)


async def actions(auth: Auth, *, of: set[AuditAction]) -> list[AuditAction]:
    entries = await auth.audit.page(auth.owner, limit=200)
    return [entry.action for entry in reversed(entries) if entry.action in of]


# --- switching it on ------------------------------------------------------------------------


async def test_signing_in_requires_a_code_and_each_code_works_once(auth: Auth) -> None:
    await auth.add("ada")
    other, session = await auth.enter("ada"), await auth.enter("ada")
    secret, _ = await auth.with_app(session)
    assert (await auth.caller(session)).user_name == "ada"
    with pytest.raises(SessionEnded):  # the session without the second factor has ended
        await auth.caller(other)
    with pytest.raises(CodeWrong):  # the code that switched it on was used already
        await enter(auth, "ada", auth.code(secret))
    auth.clock.advance(STEP)
    code = auth.code(secret)
    new = await enter(auth, "ada", f"{code[:3]} {code[3:]}")
    assert (await auth.caller(new)).user_name == "ada"
    with pytest.raises(CodeWrong):
        await enter(auth, "ada", code)


async def test_one_of_two_concurrent_uses_of_a_code_succeeds(auth: Auth) -> None:
    secret, recovery = await auth.with_app(await auth.add("ada"))
    auth.clock.advance(STEP)
    for code in (auth.code(secret), recovery[0]):
        tickets = [await pending(auth, "ada") for _ in range(2)]
        tries = [auth.sessions.enter_code(ticket.ticket, code, "", HOME) for ticket in tickets]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert {type(answer) for answer in answers} == {CodeWrong, NewSession}


async def test_only_the_codes_of_adjacent_time_steps_are_also_accepted(
    auth: Auth,
) -> None:
    secret, _ = await auth.with_app(await auth.add("ada"))
    auth.clock.advance(10 * STEP)
    for later in (-2, 2, 20):
        with pytest.raises(CodeWrong):
            await enter(auth, "ada", auth.code(secret, later=later))
    await enter(auth, "ada", auth.code(secret, later=-1))
    await enter(auth, "ada", auth.code(secret, later=1))
    with pytest.raises(CodeWrong):  # a code older than one that was used
        await enter(auth, "ada", auth.code(secret))


async def test_a_secret_is_sealed_and_unused_until_its_first_code(auth: Auth) -> None:
    session = await auth.add("ada")
    caller = await auth.caller(session)
    first = await auth.second_factors.begin(caller, "fyke.example")
    second = await auth.second_factors.begin(caller, "fyke.example")
    assert first.secret != second.secret
    assert second.address.startswith("otpauth://totp/Fyke%20fyke.example:ada?secret=")
    assert second.secret not in repr(second)
    assert (await auth.second_factors.pending(caller, "")).secret == second.secret
    assert isinstance(await auth.enter("ada"), NewSession)
    with pytest.raises(InvalidRequest, match=r"^code: this is not the current code"):
        await auth.second_factors.enable(caller, auth.code(first.secret))
    for malformed in ("", "123", "x" * 5000, "\u0661" * 6):
        with pytest.raises(InvalidRequest, match=r"^code must be the six digits"):
            await auth.second_factors.enable(caller, malformed)
    assert (await auth.second_factors.status(caller)).enabled_at == 0
    await auth.second_factors.enable(caller, auth.code(second.secret))
    stored = await auth.storage.read(lambda tx: tx.second_factors.get(caller.user_id))
    assert stored is not None and second.secret not in stored.sealed
    for begun in (auth.second_factors.begin(caller, ""), auth.second_factors.pending(caller, "")):
        with pytest.raises(Refused, match="is already on"):
            await begun


async def test_a_key_cannot_switch_the_second_factor(auth: Auth) -> None:
    for change in (
        auth.second_factors.begin(auth.owner, ""),
        auth.second_factors.renew_codes(auth.owner),
        auth.second_factors.disable(auth.owner),
    ):
        with pytest.raises(Forbidden, match="only in the console"):
            await change


async def test_an_outdated_password_hash_is_replaced_at_the_code_step(auth: Auth) -> None:
    _, codes = await auth.with_app(await auth.add("ada"))
    dated = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD.encode())
    user = await auth.user("ada")
    await auth.storage.write(lambda tx: tx.accounts.change_user(replace(user, password_hash=dated)))
    await enter(auth, "ada", codes[0])
    new_hash = (await auth.user("ada")).password_hash
    assert new_hash != dated and not auth.passwords.needs_rehash(new_hash)
    await enter(auth, "ada", codes[1])


# --- recovery codes -------------------------------------------------------------------------


async def test_each_recovery_code_works_once_and_only_digests_are_stored(auth: Auth) -> None:
    session = await auth.add("ada")
    _, codes = await auth.with_app(session)
    assert len(set(codes)) == RECOVERY_CODES == 10
    assert all(len(code.replace("-", "")) == 24 for code in codes)
    caller = await auth.caller(session)

    await enter(auth, "ada", codes[0].lower().replace("-", " "))
    for wrong in (codes[0], "", "\u0661" * 6, "\udcff" * 200):
        with pytest.raises(CodeWrong):
            await enter(auth, "ada", wrong)
    assert (await auth.second_factors.status(caller)).recovery_codes == 9
    renewed = await auth.second_factors.renew_codes(caller)
    assert not set(renewed) & set(codes)
    with pytest.raises(CodeWrong):
        await enter(auth, "ada", codes[1])
    await enter(auth, "ada", renewed[1])
    [used, _] = [
        entry
        for entry in await auth.audit.page(auth.owner)
        if entry.action is AuditAction.RECOVERY_CODE_USED
    ]
    assert (used.user_name, used.detail) == ("ada", "9 left")


# --- limits ---------------------------------------------------------------------------------


async def test_wrong_codes_are_rate_limited_like_wrong_passwords(auth: Auth) -> None:
    _, codes = await auth.with_app(await auth.add("ada"))
    ticket = (await pending(auth, "ada")).ticket
    for _ in range(6):
        with pytest.raises(CodeWrong):
            await auth.sessions.enter_code(ticket, "000000", "", AWAY)
    with pytest.raises(RateLimited, match="try again in 30 seconds"):
        await auth.sessions.enter_code(ticket, codes[0], "", AWAY)
    await auth.sessions.enter_code(ticket, codes[0], "", HOME)  # from a network that ada has used
    failed = [
        entry
        for entry in await auth.audit.page(auth.owner)
        if entry.action is AuditAction.SIGN_IN_FAILED
    ]
    assert {entry.detail for entry in failed} == {"wrong code of the second factor"}
    assert (len(failed), failed[0].target, failed[0].address) == (6, "ada", AWAY)


async def test_attempts_from_many_networks_are_limited_in_total(auth: Auth) -> None:
    _, codes = await auth.with_app(await auth.add("ada"))
    ticket = (await pending(auth, "ada")).ticket
    for number in range(20):
        with pytest.raises(CodeWrong):
            await auth.sessions.enter_code(ticket, "000000", "", f"198.51.100.{number}")
    with pytest.raises(RateLimited, match="for this user"):
        await auth.sessions.enter_code(ticket, codes[0], "", "198.51.100.99")
    await auth.sessions.enter_code(ticket, codes[0], "", HOME)


async def test_a_ticket_ends_when_it_expires_or_the_password_or_user_changes(auth: Auth) -> None:
    session = await auth.add("ada")
    _, codes = await auth.with_app(session)

    async def refused(ticket: str) -> None:
        with pytest.raises(SessionEnded):
            await auth.sessions.enter_code(ticket, codes[0], "", HOME)

    for made_up in ("", "x", "eHh4" * 20, session.token):
        await refused(made_up)
    late = (await pending(auth, "ada")).ticket
    auth.clock.advance(TICKET_MS / 1000)
    await refused(late)
    before = (await pending(auth, "ada")).ticket
    caller = await auth.caller(session)
    new_password = "another long secret"
    await auth.profiles.change_password(caller, PASSWORD, new_password, "", HOME)
    await refused(before)
    started = await auth.sessions.sign_in("ada", new_password, "", HOME)
    assert isinstance(started, PendingSignIn) and started.ticket not in repr(started)
    await auth.users.disable(auth.owner, "ada")
    await refused(started.ticket)


# --- links, switching it off, reset ---------------------------------------------------------


async def test_a_password_link_leaves_the_second_factor_on(auth: Auth) -> None:
    secret, codes = await auth.with_app(await auth.add("ada"))
    link = await auth.users.link(auth.owner, "ada")
    assert (await auth.links.read(Purpose.RESET, link.token)).second_factor

    async def use(code: str) -> NewSession:
        new = "another long secret"
        return await auth.links.use(Purpose.RESET, link.token, new, "", AWAY, code=code)

    for wrong in ("", "000000", auth.code(secret)):
        with pytest.raises(CodeWrong):
            await use(wrong)
    await use(codes[0])
    assert isinstance(
        await auth.sessions.sign_in("ada", "another long secret", "", AWAY), PendingSignIn
    )


async def test_after_a_second_factor_is_disabled_the_password_is_enough(auth: Auth) -> None:
    session = await auth.add("ada")
    _, codes = await auth.with_app(session)
    other = await enter(auth, "ada", codes[0])
    await auth.second_factors.disable(await auth.caller(session))
    with pytest.raises(SessionEnded):
        await auth.caller(other)
    await auth.enter("ada")
    caller = await auth.caller(session)
    assert (await auth.second_factors.status(caller)).recovery_codes == 0
    with pytest.raises(Refused, match="is off"):
        await auth.second_factors.renew_codes(caller)
    expected = [AuditAction.SECOND_FACTOR_ON, AuditAction.SECOND_FACTOR_OFF]
    assert await actions(auth, of=set(expected)) == expected


async def test_the_operator_resets_a_second_factor_with_the_local_key_only(auth: Auth) -> None:
    session = await auth.add("ada", "owner")
    await auth.with_app(session)
    ada = await auth.caller(session)
    key = await auth.accounts.create_key(auth.owner, "elsewhere")
    with pytest.raises(Forbidden, match="is not possible with an API key"):
        await auth.second_factors.reset(await auth.accounts.authenticate(key.key), "ada")
    _, other = await auth.accounts.add_account(auth.owner, "other")
    with pytest.raises(Forbidden, match="operator's account only"):
        await auth.second_factors.reset(await auth.accounts.authenticate(other.key), "ada")
    auth.clock.advance(601)
    with pytest.raises(ConfirmationNeeded):
        await auth.second_factors.reset(ada, "ada")
    with pytest.raises(NotFound):
        await auth.second_factors.reset(auth.owner, "nobody")
    assert (await auth.users.list(auth.owner))[1].second_factor
    await auth.second_factors.reset(auth.owner, " Ada ")
    assert not (await auth.users.list(auth.owner))[1].second_factor
    with pytest.raises(SessionEnded):
        await auth.caller(session)
    await auth.enter("ada")
    with pytest.raises(Refused, match="does not use"):
        await auth.second_factors.reset(auth.owner, "ada")
    assert AuditAction.SECOND_FACTOR_RESET in await actions(auth, of=set(AuditAction))
