"""Users, their roles and preferences: which role may change what, and what cannot be removed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.errors import Conflict, Forbidden, InvalidRequest, NotFound, Refused, ScopeMissing
from fyke.model.account import Role, Scope
from fyke.model.user import Preferences, Purpose
from support.auth import Auth

pytestmark = pytest.mark.anyio


async def test_users_are_listed_with_their_state(auth: Auth) -> None:
    await auth.add("ada", "viewer")
    await auth.users.invite(auth.owner, "Ben@Example.com", "member")
    await auth.users.disable(auth.owner, "ada")
    listed = {item.user.name: item for item in await auth.users.list(auth.owner)}
    states = {name: (item.state, item.link) for name, item in listed.items()}
    assert states == {
        "owner": ("invited", None),
        "ada": ("disabled", None),
        "ben@example.com": ("invited", Purpose.INVITE),
    }
    assert listed["ada"].seen_at > 0 == listed["owner"].seen_at


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_only_owners_manage_users(auth: Auth, role: str) -> None:
    caller = await auth.caller(await auth.add("ada", role))
    users = auth.users
    for attempt in (
        users.invite(caller, "ben", "member"),
        users.link(caller, "ada"),
        users.change_role(caller, "ada", "owner"),
        users.disable(caller, "owner"),
        users.enable(caller, "owner"),
        users.remove(caller, "owner"),
        auth.audit.page(caller),
    ):
        with pytest.raises(Forbidden, match="owner"):
            await attempt
    assert len(await users.list(caller)) == 2


async def test_owners_of_one_account_do_not_see_the_users_of_another(
    auth: Auth,
) -> None:
    await auth.accounts.add_account(auth.owner, "other")
    await auth.set_up()
    link = await auth.users.link(auth.owner, "other")  # the operator may do this
    caller = await auth.caller(
        await auth.links.use(Purpose.INVITE, link.token, "a secret of others", "", "")
    )
    assert [item.user.name for item in await auth.users.list(caller)] == ["other"]
    for attempt in (
        auth.users.link(caller, "owner"),
        auth.users.change_role(caller, "owner", "viewer"),
        auth.users.disable(caller, "owner"),
        auth.users.remove(caller, "owner"),
    ):
        with pytest.raises(NotFound):
            await attempt
    for attempt in (
        auth.users.list(caller, account="owner"),
        auth.users.remove(caller, "owner", account="owner"),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert len(await auth.users.list(auth.owner, account="other")) == 1
    with pytest.raises(NotFound):
        await auth.users.list(auth.owner, account="nobody")
    entries = [(entry.action, entry.detail) for entry in await auth.audit.page(caller)]
    assert ("user.link", "by the account owner") in entries


@pytest.mark.parametrize("act", ["role", "disable", "remove"])
async def test_the_last_owner_cannot_be_removed(auth: Auth, act: str) -> None:
    await auth.set_up()
    await auth.users.invite(auth.owner, "ada", "owner")  # without a password, she does not count

    async def attempt() -> None:
        if act == "role":
            await auth.users.change_role(auth.owner, "owner", "member")
        elif act == "disable":
            await auth.users.disable(auth.owner, "owner")
        else:
            await auth.users.remove(auth.owner, "owner")

    with pytest.raises(Refused, match="last owner"):
        await attempt()
    await auth.users.remove(auth.owner, "ada")
    await auth.add("ben", "owner")
    await attempt()
    with pytest.raises(Refused, match="last owner"):
        await auth.users.disable(replace(auth.owner, user_id=""), "ben")


@pytest.mark.parametrize(
    "name", ["", " ", "-ada", "ada lovelace", "ADA!", "a" * 65, "a\nda", "\u0430da", "../x", "<b>"]
)
async def test_user_names_have_a_restricted_alphabet(auth: Auth, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^name: "):
        await auth.users.invite(auth.owner, name, "member")


async def test_names_are_unique_and_only_the_three_roles_exist(auth: Auth) -> None:
    with pytest.raises(Conflict, match=r'^name: "owner" is a user already'):
        await auth.users.invite(auth.owner, " Owner ", "member")
    with pytest.raises(InvalidRequest, match=r"^role: unknown role 'god'; use one of owner"):
        await auth.users.invite(auth.owner, "ada", "god")
    await auth.users.invite(auth.owner, "ada", "member")
    with pytest.raises(Conflict):
        await auth.accounts.add_account(auth.owner, "ada")


async def test_a_new_role_applies_at_once_to_sessions_and_keys(auth: Auth) -> None:
    session = await auth.add("ada")
    key = await auth.accounts.create_key(await auth.caller(session), "mine")
    assert (await auth.accounts.authenticate(key.key)).role is Role.MEMBER
    await auth.users.change_role(auth.owner, "ada", "viewer")
    assert (await auth.accounts.authenticate(key.key)).role is Role.VIEWER
    assert (await auth.caller(session)).role is Role.VIEWER


async def test_a_key_cannot_grant_a_scope_that_it_lacks(auth: Auth) -> None:
    created = await auth.accounts.create_key(
        auth.owner, "few", scopes=frozenset({Scope.READ, Scope.ADMIN})
    )
    caller = await auth.accounts.authenticate(created.key)
    assert caller.scopes == {Scope.READ, Scope.ADMIN}
    with pytest.raises(ScopeMissing, match='the scope "run"'):
        await auth.accounts.create_key(caller, "more")
    await auth.accounts.create_key(caller, "less", scopes=frozenset({Scope.READ}))


# --- preferences ----------------------------------------------------------------------------


async def test_preferences_change_one_by_one_and_apply_at_once(auth: Auth) -> None:
    session = await auth.add("ada")
    caller = await auth.caller(session)
    assert await auth.profiles.preferences(caller) == Preferences()
    await auth.profiles.change_preferences(caller, theme="dark", language="zh-Hans")
    await auth.profiles.change_preferences(caller, time_zone="Asia/Tokyo")
    await auth.profiles.save_view(caller, "runs", "state=failed")
    expected = Preferences("zh-Hans", "dark", "Asia/Tokyo", "", {"runs": "state=failed"})
    assert (await auth.sessions.authenticate(session.token)).preferences == expected
    assert await auth.profiles.preferences(auth.owner) == Preferences()
    await auth.profiles.save_view(caller, "runs", "")
    assert (await auth.profiles.change_preferences(caller, language="")).views == {}


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
async def test_only_offered_values_are_accepted_as_preferences(
    auth: Auth, field: str, value: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        await auth.profiles.change_preferences(auth.owner, **{field: value})


async def test_the_number_and_size_of_saved_views_are_limited(auth: Auth) -> None:
    for name, query in (("", "a=1"), ("x" * 65, "a=1"), ("a\nb", "a=1"), ("runs", "x" * 2001)):
        with pytest.raises(InvalidRequest, match=r"^view: "):
            await auth.profiles.save_view(auth.owner, name, query)
    for number in range(50):
        await auth.profiles.save_view(auth.owner, f"page {number}", "a=1")
    with pytest.raises(InvalidRequest, match="at most 50"):
        await auth.profiles.save_view(auth.owner, "one more", "a=1")
    await auth.profiles.save_view(auth.owner, "page 7", "a=2")


async def test_a_name_used_by_another_account_is_refused_like_a_reserved_one(auth: Auth) -> None:
    await auth.accounts.add_account(auth.owner, "other")
    await auth.accounts.add_account(auth.owner, "third")
    await auth.add("ben@example.org", "member")
    link = await auth.users.link(auth.owner, "other")
    other = await auth.caller(
        await auth.links.use(Purpose.INVITE, link.token, "a secret of others", "", "")
    )
    refusals = set()
    for name in ("ben@example.org", "third", "postmaster"):
        with pytest.raises(InvalidRequest) as refused:
            await auth.users.invite(other, name, "member")
        refusals.add((refused.value.key, refused.value.message.replace(name, "NAME")))
    assert len(refusals) == 1
    with pytest.raises(Conflict, match="is a user already"):
        await auth.users.invite(other, "other", "member")
    with pytest.raises(Conflict, match="is a user already"):
        await auth.users.invite(auth.owner, "third", "member")  # "third" is in another account
