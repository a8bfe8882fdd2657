"""Sign-in, sessions and their end, and limits for guessing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fyke.domain.accounts.sessions import IDLE_MS, MAX_LIFETIME_MS
from fyke.errors import (
    InvalidRequest,
    LinkSpent,
    NotFound,
    RateLimited,
    SessionEnded,
    SignInFailed,
    UserDisabled,
    UserMissing,
)
from fyke.model.account import Role
from fyke.model.audit import AuditAction
from fyke.model.user import Purpose
from fyke.timers.access import AccessTimer
from support.auth import AWAY, HOME, PASSWORD, Auth

pytestmark = pytest.mark.anyio
DAY = 86_400


# --- signing in -----------------------------------------------------------------------------


async def test_a_session_identifies_its_user_and_no_token_is_stored(auth: Auth) -> None:
    first = await auth.set_up()
    new = await auth.enter(" OWNER ")
    signed_in = await auth.sessions.authenticate(new.token, AWAY)
    assert (signed_in.caller.account_id, signed_in.caller.user_name) == (
        auth.owner.account_id,
        "owner",
    )
    assert (signed_in.caller.role, signed_in.caller.operator) == (Role.OWNER, True)
    assert (signed_in.caller.key_id, signed_in.caller.session_id) == ("", signed_in.session_id)
    assert signed_in.caller.address == AWAY
    assert (await auth.sessions.authenticate(new.token)).caller.address == ""
    assert new.token not in repr(new) and "argon2" not in repr(new)
    stored = await auth.storage.read(lambda tx: tx.sessions.of_user(signed_in.user.id))
    for token in (first.token, new.token):
        assert len(token) == 43
        assert not [record for record in stored if token in repr(record)]
    assert PASSWORD not in signed_in.user.password_hash


async def test_a_wrong_name_and_a_wrong_password_have_the_same_response_and_cost(
    auth: Auth,
) -> None:
    await auth.set_up()
    await auth.add("off")
    await auth.users.disable(auth.owner, "off")
    _, _ = await auth.users.invite(auth.owner, "new", "member")
    auth.passwords.verified.clear()
    writes = []
    for name in ("owner", "nobody", "new", "off", "", "x" * 5000, "ada\x00"):
        before = await auth.audit.page(auth.owner)
        with pytest.raises(SignInFailed, match=r"^The user name or the password is wrong$"):
            await auth.enter(name, "not the password")
        writes.append(len(await auth.audit.page(auth.owner)) - len(before))
    # each attempt verifies one hash and writes one entry
    assert auth.passwords.verified == [True, False, False, True, False, False, False]
    assert writes == [1] * 7
    with pytest.raises(SignInFailed):
        await auth.enter("owner", PASSWORD + "x" * 2000)


async def test_a_disabled_user_is_reported_only_after_the_right_password(
    auth: Auth,
) -> None:
    session = await auth.add("ada")
    await auth.users.disable(auth.owner, "ada")
    with pytest.raises(UserDisabled):
        await auth.enter("ada")
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(session.token)
    await auth.users.enable(auth.owner, "ada")
    await auth.enter("ada")
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(session.token)


async def test_an_outdated_password_hash_is_replaced_at_the_sign_in(
    auth: Auth,
) -> None:
    await auth.set_up()
    from argon2 import PasswordHasher

    dated = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD.encode())
    user = await auth.user("owner")
    await auth.storage.write(lambda tx: tx.accounts.change_user(replace(user, password_hash=dated)))
    await auth.enter("owner")
    new_hash = (await auth.user("owner")).password_hash
    assert new_hash != dated and not auth.passwords.needs_rehash(new_hash)
    await auth.enter("owner")


# --- sessions -------------------------------------------------------------------------------


async def test_a_session_lasts_while_it_is_used_up_to_thirty_days(
    auth: Auth,
) -> None:
    await auth.set_up()
    used, left = await auth.enter("owner"), await auth.enter("owner")
    for _ in range(4):
        auth.clock.advance(6.9 * DAY)
        await auth.sessions.authenticate(used.token)
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(left.token)
    auth.clock.advance(2.3 * DAY)
    await auth.sessions.authenticate(used.token)
    auth.clock.advance(0.2 * DAY)
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(used.token)
    assert (IDLE_MS, MAX_LIFETIME_MS) == (7 * DAY * 1000, 30 * DAY * 1000)


async def test_the_time_of_the_last_use_is_stored_once_a_minute(auth: Auth) -> None:
    new = await auth.set_up()

    async def seen() -> int:
        return (await auth.sessions.list(auth.owner))[0].seen_at

    first = await seen()
    auth.clock.advance(59)
    await auth.sessions.authenticate(new.token)
    assert await seen() == first
    auth.clock.advance(2)
    await auth.sessions.authenticate(new.token)
    assert await seen() == first + 61_000


async def test_a_session_survives_a_restart(auth: Auth) -> None:
    new = await auth.set_up()
    assert (await auth.other_process().authenticate(new.token)).user.name == "owner"


async def test_a_session_ended_by_another_server_is_valid_for_at_most_a_second(
    auth: Auth,
) -> None:
    new = await auth.set_up()
    other = auth.other_process()
    await other.authenticate(new.token)
    await auth.sessions.sign_out(new.token)
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(new.token)
    await other.authenticate(new.token)
    auth.clock.advance(1)
    with pytest.raises(SessionEnded):
        await other.authenticate(new.token)


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 10_000, "ä\ud800"])
async def test_an_invalid_token_belongs_to_no_session(auth: Auth, token: str) -> None:
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(token)
    await auth.sessions.sign_out(token)


# --- signing out, changed passwords ---------------------------------------------------------


async def test_a_new_password_ends_all_other_sessions(auth: Auth) -> None:
    first = await auth.set_up()
    second = await auth.enter("owner")
    caller = await auth.caller(second)
    new_session = await auth.profiles.change_password(caller, PASSWORD, "another secret", "b", HOME)
    for session in (first, second):
        with pytest.raises(SessionEnded):
            await auth.sessions.authenticate(session.token)
    assert (await auth.sessions.authenticate(new_session.token)).user.name == "owner"
    with pytest.raises(SignInFailed):
        await auth.enter("owner")
    await auth.enter("owner", "another secret")


async def test_a_new_password_requires_the_old_one_and_is_rate_limited(
    auth: Auth,
) -> None:
    caller = await auth.caller(await auth.set_up())
    for _ in range(6):
        with pytest.raises(InvalidRequest, match=r"^old: this is not your password"):
            await auth.profiles.change_password(caller, "wrong", "another secret", "b", HOME)
    with pytest.raises(RateLimited, match="try again in 30 seconds"):
        await auth.profiles.change_password(caller, PASSWORD, "another secret", "b", HOME)
    auth.clock.advance(30)
    for new, rule in (
        (PASSWORD, "new: this is your present password"),
        ("short", "new: 5 characters"),
    ):
        with pytest.raises(InvalidRequest, match=rule):
            await auth.profiles.change_password(caller, PASSWORD, new, "b", HOME)


async def test_removing_a_user_ends_its_sessions_and_keys(auth: Auth) -> None:
    session = await auth.add("ada")
    key = await auth.accounts.create_key(await auth.caller(session), "mine")
    await auth.accounts.authenticate(key.key)
    await auth.users.remove(auth.owner, "ada")
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(session.token)
    with pytest.raises(Exception, match="The API key is not valid") as caught:
        await auth.accounts.authenticate(key.key)
    assert not isinstance(caught.value, UserMissing)
    with pytest.raises(SignInFailed):
        await auth.enter("ada")


async def test_only_sessions_of_the_same_user_can_be_ended(auth: Auth) -> None:
    owners = await auth.set_up()
    adas = await auth.caller(await auth.add("ada"))
    for session_id in (owners.id, "", "nonsense"):
        with pytest.raises(NotFound):
            await auth.sessions.revoke(adas, session_id)
    more = await auth.enter("ada")
    assert await auth.sessions.revoke_others(adas, adas.session_id) == 1
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(more.token)
    await auth.sessions.authenticate(owners.token)


# --- links ----------------------------------------------------------------------------------


async def test_a_link_shows_its_user_and_expires(
    auth: Auth,
) -> None:
    _, link = await auth.users.invite(auth.owner, "ada", "viewer")
    opened = await auth.links.read(Purpose.INVITE, link.token)
    assert (opened.user_name, opened.account_name, opened.role) == ("ada", "owner", Role.VIEWER)
    assert link.path == f"/invite?token={link.token}" and link.token not in repr(link)
    with pytest.raises(LinkSpent):
        await auth.links.read(Purpose.RESET, link.token)
    with pytest.raises(InvalidRequest, match="too few"):
        await auth.links.use(Purpose.INVITE, link.token, "short", "b", HOME)
    auth.clock.advance(3 * DAY - 1)
    await auth.links.read(Purpose.INVITE, link.token)
    auth.clock.advance(1)
    with pytest.raises(LinkSpent):
        await auth.links.read(Purpose.INVITE, link.token)
    with pytest.raises(LinkSpent):
        await auth.links.use(Purpose.INVITE, link.token, PASSWORD, "b", HOME)


async def test_links_are_for_setup_until_a_password_exists_and_then_for_a_reset(
    auth: Auth,
) -> None:
    first = await auth.users.link(auth.owner, "owner")
    second = await auth.users.link(auth.owner, "owner")
    assert (first.purpose, second.purpose) == (Purpose.SETUP, Purpose.SETUP)
    with pytest.raises(LinkSpent):
        await auth.links.use(Purpose.SETUP, first.token, PASSWORD, "b", HOME)
    session = await auth.links.use(Purpose.SETUP, second.token, PASSWORD, "b", HOME)
    third = await auth.users.link(auth.owner, "owner")
    assert third.purpose is Purpose.RESET
    await auth.enter("owner")  # the old password works until the link is used
    await auth.links.use(Purpose.RESET, third.token, "another secret", "b", HOME)
    with pytest.raises(SessionEnded):
        await auth.sessions.authenticate(session.token)


async def test_the_link_of_a_disabled_user_is_spent(auth: Auth) -> None:
    _, link = await auth.users.invite(auth.owner, "ada", "member")
    await auth.users.disable(auth.owner, "ada")
    with pytest.raises(LinkSpent):
        await auth.links.read(Purpose.INVITE, link.token)
    with pytest.raises(UserDisabled):
        await auth.users.link(auth.owner, "ada")


# --- guessing -------------------------------------------------------------------------------


async def test_guessing_one_name_is_rate_limited_with_the_time_to_wait(
    auth: Auth,
) -> None:
    await auth.set_up()
    for _ in range(6):
        with pytest.raises(SignInFailed):
            await auth.enter("owner", "guess", AWAY)
    with pytest.raises(RateLimited) as caught:
        await auth.enter("owner", PASSWORD, AWAY)
    assert caught.value.retry_after == 30
    assert caught.value.message == "Too many attempts for this user; try again in 30 seconds"
    auth.clock.advance(30)
    await auth.enter("owner", PASSWORD, AWAY)


async def test_concurrent_attempts_are_all_counted(auth: Auth) -> None:
    await auth.set_up()
    auth.passwords.verified.clear()
    tries = (auth.enter("owner", f"guess {n}", AWAY) for n in range(50))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, SignInFailed) for result in results) == 6
    assert sum(isinstance(result, RateLimited) for result in results) == 44
    assert len(auth.passwords.verified) == 6


async def test_one_network_cannot_try_many_names(auth: Auth) -> None:
    errors: list[type[Exception]] = []
    for number in range(30):
        with pytest.raises((SignInFailed, RateLimited)) as caught:
            await auth.enter(f"name{number}", "guess", f"2001:db8::{number:x}")
        errors.append(type(caught.value))
    assert errors == [SignInFailed] * 20 + [RateLimited] * 10
    with pytest.raises(SignInFailed):
        await auth.enter("name", "guess", "2001:db8:0:1::1")


async def test_the_owner_can_sign_in_while_others_guess_from_everywhere(auth: Auth) -> None:
    await auth.set_up()  # from HOME, which becomes a known network
    locked = 0
    for number in range(70):
        with pytest.raises((SignInFailed, RateLimited)) as caught:
            await auth.enter("owner", "guess", f"198.51.100.{number}")
        locked += isinstance(caught.value, RateLimited)
    assert locked == 10
    await auth.enter("owner", PASSWORD, HOME)
    with pytest.raises(RateLimited, match="try again in 10 seconds"):
        await auth.enter("owner", PASSWORD, "198.51.100.200")


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_hundred_thousand_guesses_check_ten_passwords_a_minute(
    auth: Auth,
) -> None:
    await auth.set_up()
    auth.passwords.verified.clear()
    for number in range(100_000):  # over ten hours, from 5,000 networks
        auth.clock.advance(0.36)
        with pytest.raises((SignInFailed, RateLimited)):
            await auth.enter("owner", "guess", f"2001:db8:{number % 5000:x}::1")
    assert len(auth.passwords.verified) <= 60 + 10 * 600
    await auth.enter("owner", PASSWORD, HOME)


async def test_a_success_refunds_only_its_own_attempt(auth: Auth) -> None:
    await auth.add("ada")
    for number in range(19):
        with pytest.raises(SignInFailed):
            await auth.enter(f"name{number}", "guess", AWAY)
    for _ in range(5):
        await auth.enter("ada", PASSWORD, AWAY)
    with pytest.raises(SignInFailed):
        await auth.enter("nobody", "guess", AWAY)
    with pytest.raises(RateLimited):
        await auth.enter("ada", PASSWORD, AWAY)


# --- the audit log, and removal of old records ----------------------------------------------


async def test_wrong_old_passwords_and_sign_ins_of_disabled_users_are_in_the_audit_log(
    auth: Auth,
) -> None:
    caller = await auth.caller(await auth.add("ada"))
    with pytest.raises(InvalidRequest):
        await auth.profiles.change_password(caller, "wrong", "another secret", "b", HOME)
    await auth.users.disable(auth.owner, "ada")
    with pytest.raises(UserDisabled):
        await auth.enter("ada", PASSWORD, AWAY)
    failed, _, wrong_password, *_ = await auth.audit.page(auth.owner)
    assert (failed.action, failed.target) == (AuditAction.SIGN_IN_FAILED, "ada")
    assert (failed.detail, failed.address) == ("the user is disabled", AWAY)
    assert (wrong_password.action, wrong_password.user_name) == (AuditAction.CONFIRM_FAILED, "ada")


async def test_failed_sign_ins_are_in_the_audit_log_without_the_typed_password(
    auth: Auth,
) -> None:
    await auth.set_up()
    for name in ("owner", "my secret password"):
        with pytest.raises(SignInFailed):
            await auth.enter(name, "guess", AWAY)
    unknown, known, *_ = await auth.audit.page(auth.owner, action=AuditAction.SIGN_IN_FAILED)
    assert (unknown.target, known.target) == ("", "owner")
    assert (known.user_name, known.address) == ("", AWAY)
    assert "secret" not in repr(unknown)
    caller = await auth.caller(await auth.enter("owner", PASSWORD, AWAY))
    await auth.accounts.create_key(replace(caller, address=AWAY), "mine")
    entry = (await auth.audit.page(auth.owner))[0]
    assert (entry.action, entry.target, entry.user_name) == (
        AuditAction.KEY_CREATED,
        "mine",
        "owner",
    )
    assert (entry.session_id, entry.key_id, entry.address) == (caller.session_id, "", AWAY)


async def test_expired_sessions_and_links_are_removed(auth: Auth) -> None:
    await auth.set_up()
    await auth.users.invite(auth.owner, "ada", "member")
    timer = AccessTimer(auth.storage, keep_days=40)
    auth.clock.advance(29 * DAY)
    await timer.tick()
    user = await auth.user("owner")
    assert len(await auth.storage.read(lambda tx: tx.sessions.of_user(user.id))) == 1
    ada = await auth.user("ada")
    assert await auth.storage.read(lambda tx: tx.links.of_user(ada.id)) is None
    assert await auth.audit.page(auth.owner)
    auth.clock.advance(1 * DAY)
    await timer.tick()
    assert await auth.storage.read(lambda tx: tx.sessions.of_user(user.id)) == []
    assert await auth.audit.page(auth.owner)
    auth.clock.advance(11 * DAY)
    await timer.tick()
    assert await auth.audit.page(auth.owner) == []
