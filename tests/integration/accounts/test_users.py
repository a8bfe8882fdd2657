"""Users, their roles and what they prefer: who may change what, and what always stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.errors import Conflict, Forbidden, InvalidRequest, NotFound, Refused, ScopeMissing
from fyke.model.account import Role, Scope
from fyke.model.user import Preferences, Purpose
from support.door import Door

pytestmark = pytest.mark.anyio


async def test_users_are_listed_with_their_state(door: Door) -> None:
    await door.add("ada", "viewer")
    await door.users.invite(door.owner, "Ben@Example.com", "member")
    await door.users.disable(door.owner, "ada")
    listed = {item.user.name: item for item in await door.users.list(door.owner)}
    states = {name: (item.state, item.link) for name, item in listed.items()}
    assert states == {
        "owner": ("invited", None),
        "ada": ("disabled", None),
        "ben@example.com": ("invited", Purpose.INVITE),
    }
    assert listed["ada"].seen_at > 0 == listed["owner"].seen_at


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_only_owners_manage_users(door: Door, role: str) -> None:
    caller = await door.caller(await door.add("ada", role))
    users = door.users
    for attempt in (
        users.invite(caller, "ben", "member"),
        users.link(caller, "ada"),
        users.change_role(caller, "ada", "owner"),
        users.disable(caller, "owner"),
        users.enable(caller, "owner"),
        users.remove(caller, "owner"),
        door.audit.page(caller),
    ):
        with pytest.raises(Forbidden, match="owner"):
            await attempt
    assert len(await users.list(caller)) == 2


async def test_owners_of_one_account_do_not_see_the_users_of_another(door: Door) -> None:
    await door.accounts.add_account(door.owner, "other")
    await door.set_up()
    link = await door.users.link(door.owner, "other")  # the operator may
    caller = await door.caller(
        await door.links.use(Purpose.INVITE, link.token, "a secret of others", "", "")
    )
    assert [item.user.name for item in await door.users.list(caller)] == ["other"]
    for attempt in (
        door.users.link(caller, "owner"),
        door.users.change_role(caller, "owner", "viewer"),
        door.users.disable(caller, "owner"),
        door.users.remove(caller, "owner"),
    ):
        with pytest.raises(NotFound):
            await attempt
    for attempt in (
        door.users.list(caller, account="owner"),
        door.users.remove(caller, "owner", account="owner"),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert len(await door.users.list(door.owner, account="other")) == 1
    with pytest.raises(NotFound):
        await door.users.list(door.owner, account="nobody")
    seen = [(entry.action, entry.detail) for entry in await door.audit.page(caller)]
    assert ("user.link", "by the account owner") in seen


@pytest.mark.parametrize("act", ["role", "disable", "remove"])
async def test_the_last_owner_stays(door: Door, act: str) -> None:
    await door.set_up()
    await door.users.invite(door.owner, "ada", "owner")  # who has no password yet

    async def attempt() -> None:
        if act == "role":
            await door.users.change_role(door.owner, "owner", "member")
        elif act == "disable":
            await door.users.disable(door.owner, "owner")
        else:
            await door.users.remove(door.owner, "owner")

    with pytest.raises(Refused, match="last owner"):
        await attempt()
    await door.users.remove(door.owner, "ada")
    await door.add("ben", "owner")
    await attempt()
    with pytest.raises(Refused, match="last owner"):
        await door.users.disable(replace(door.owner, user_id=""), "ben")


@pytest.mark.parametrize(
    "name", ["", " ", "-ada", "ada lovelace", "ADA!", "a" * 65, "a\nda", "\u0430da", "../x", "<b>"]
)
async def test_names_are_plain(door: Door, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^name: "):
        await door.users.invite(door.owner, name, "member")


async def test_names_are_taken_once_and_roles_are_the_three(door: Door) -> None:
    with pytest.raises(Conflict, match=r'^name: "owner" is a user already'):
        await door.users.invite(door.owner, " Owner ", "member")
    with pytest.raises(InvalidRequest, match=r"^role: there is no role 'god'; use one of owner"):
        await door.users.invite(door.owner, "ada", "god")
    await door.users.invite(door.owner, "ada", "member")
    with pytest.raises(Conflict):
        await door.accounts.add_account(door.owner, "ada")


async def test_a_new_role_counts_at_once_for_sessions_and_keys(door: Door) -> None:
    session = await door.add("ada")
    key = await door.accounts.create_key(await door.caller(session), "mine")
    assert (await door.accounts.authenticate(key.key)).role is Role.MEMBER
    await door.users.change_role(door.owner, "ada", "viewer")
    assert (await door.accounts.authenticate(key.key)).role is Role.VIEWER
    assert (await door.caller(session)).role is Role.VIEWER


async def test_nobody_hands_out_a_scope_that_their_key_lacks(door: Door) -> None:
    made = await door.accounts.create_key(
        door.owner, "few", scopes=frozenset({Scope.READ, Scope.ADMIN})
    )
    caller = await door.accounts.authenticate(made.key)
    assert caller.scopes == {Scope.READ, Scope.ADMIN}
    with pytest.raises(ScopeMissing, match='the scope "run"'):
        await door.accounts.create_key(caller, "more")
    await door.accounts.create_key(caller, "less", scopes=frozenset({Scope.READ}))


# --- preferences ----------------------------------------------------------------------------


async def test_preferences_change_one_by_one_and_count_at_once(door: Door) -> None:
    session = await door.add("ada")
    caller = await door.caller(session)
    assert await door.profiles.preferences(caller) == Preferences()
    await door.profiles.prefer(caller, theme="dark", language="zh-Hans")
    await door.profiles.prefer(caller, time_zone="Asia/Tokyo")
    await door.profiles.save_view(caller, "runs", "state=failed")
    expected = Preferences("zh-Hans", "dark", "Asia/Tokyo", "", {"runs": "state=failed"})
    assert (await door.sessions.whose(session.token)).preferences == expected
    assert await door.profiles.preferences(door.owner) == Preferences()
    await door.profiles.save_view(caller, "runs", "")
    assert (await door.profiles.prefer(caller, language="")).views == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("language", "de"),
        ("theme", "pink"),
        ("theme", ""),
        ("snippets", "perl"),
        ("time_zone", "Mars/Base"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "x" * 5000),
    ],
)
async def test_preferences_are_what_is_offered(door: Door, field: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        await door.profiles.prefer(door.owner, **{field: value})


async def test_saved_views_are_bounded(door: Door) -> None:
    for name, query in (("", "a=1"), ("x" * 65, "a=1"), ("a\nb", "a=1"), ("runs", "x" * 2001)):
        with pytest.raises(InvalidRequest, match=r"^view: "):
            await door.profiles.save_view(door.owner, name, query)
    for number in range(50):
        await door.profiles.save_view(door.owner, f"page {number}", "a=1")
    with pytest.raises(InvalidRequest, match="at most 50"):
        await door.profiles.save_view(door.owner, "one more", "a=1")
    await door.profiles.save_view(door.owner, "page 7", "a=2")
