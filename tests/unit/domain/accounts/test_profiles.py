"""Preferences and password of the caller's own user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from fyke.domain.accounts import profiles as module
from fyke.domain.accounts.codes import CodeCheck
from fyke.domain.accounts.confirmation import OwnPassword
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.profiles import MAX_VIEWS, Profiles
from fyke.domain.accounts.sessions import Sessions
from fyke.errors import Conflict, InvalidRequest, RateLimited, SessionEnded, UserMissing
from fyke.kit.sealing import Sealer
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
OLD, NEW = "correct horse battery", "another horse battery"


class Interrupted(Passwords):
    """Calls ``meanwhile`` while the new password is hashed."""

    meanwhile: Callable[[], object] | None = None

    async def hash(self, password: str) -> str:
        kept = await super().hash(password)
        if self.meanwhile is not None:
            await self.meanwhile()  # type: ignore[misc]
        return kept


class Setup:
    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.passwords = Interrupted(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        codes = CodeCheck(stores.storage, stores.clock, Sealer(b"secret"))
        self.sessions = Sessions(stores.storage, stores.clock, self.passwords, codes)
        own_password = OwnPassword(stores.storage, stores.clock, self.passwords)
        self.profiles = Profiles(stores.storage, own_password, self.passwords, self.sessions)

    async def begin(self) -> Setup:
        kept = await self.passwords.hash(OLD)
        user = self.user = records.user(self.stores.account, name="ada", password_hash=kept)
        await self.stores.write(lambda tx: tx.accounts.add_user(user))
        self.caller = replace(self.stores.caller, user_id=user.id)
        return self

    @property
    def stranger(self) -> Caller:
        return replace(self.caller, user_id=records.ordered_id())


@pytest.fixture
async def setup(stores: Stores) -> Setup:
    return await Setup(stores).begin()


# --- preferences ---------------------------------------------------------------------------


async def test_only_the_given_preferences_change_and_an_empty_text_is_a_value(
    setup: Setup,
) -> None:
    change = setup.profiles.change_preferences
    await change(setup.caller, language="zh-Hans", theme="dark", time_zone="Europe/Berlin")
    await change(setup.caller, language="", snippets="go")
    found = await setup.profiles.preferences(setup.caller)
    chosen = (found.language, found.theme, found.time_zone, found.snippets)
    assert chosen == ("", "dark", "Europe/Berlin", "go")
    await change(setup.caller, time_zone="")
    assert (await setup.profiles.preferences(setup.caller)).time_zone == ""


@pytest.mark.parametrize(
    ("field", "value", "offered"),
    [("language", "de", '"zh-Hans"'), ("theme", "", '"system"'), ("snippets", "perl", '"curl"'),
     ("time_zone", "Berlin", "Europe/Berlin"), ("time_zone", "../etc/passwd", "Europe/Berlin")],
)  # fmt: skip
async def test_unknown_values_are_refused_with_the_valid_ones(
    setup: Setup, field: str, value: str, offered: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await setup.profiles.change_preferences(
            setup.caller, **({"theme": "dark"} | {field: value})
        )
    [problem] = refused.value.problems
    assert (problem.field, offered in refused.value.message) == (field, True)
    assert (await setup.profiles.preferences(setup.caller)).theme == "system"


async def test_a_user_that_was_removed_has_no_preferences_to_change(setup: Setup) -> None:
    with pytest.raises(UserMissing):
        await setup.profiles.change_preferences(setup.stranger, theme="dark")
    with pytest.raises(UserMissing):
        await setup.profiles.save_view(setup.stranger, "runs", "state=failed")


# --- views ---------------------------------------------------------------------------------


async def test_a_view_is_saved_replaced_and_removed(setup: Setup) -> None:
    save = setup.profiles.save_view
    await save(setup.caller, "runs", "state=failed")
    await save(setup.caller, "workers", "public=1")
    assert (await save(setup.caller, "runs", "state=ready")).views == {
        "runs": "state=ready",
        "workers": "public=1",
    }
    assert (await save(setup.caller, "runs", "")).views == {"workers": "public=1"}
    assert (await save(setup.caller, "none", "")).views == {"workers": "public=1"}


@pytest.mark.parametrize(
    ("page", "query", "words"),
    [("", "q", "1 to 64 printable"), ("x" * 65, "q", "1 to 64 printable"),
     ("a\nb", "q", "printable"), ("runs", "x" * 2001, "at most 2000")],
)  # fmt: skip
async def test_views_have_short_printable_names_and_bounded_queries(
    setup: Setup, page: str, query: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await setup.profiles.save_view(setup.caller, page, query)
    assert (await setup.profiles.preferences(setup.caller)).views == {}


async def test_the_longest_name_and_query_are_accepted(setup: Setup) -> None:
    saved = await setup.profiles.save_view(setup.caller, "x" * 64, "q" * 2000)
    assert saved.views == {"x" * 64: "q" * 2000}


async def test_at_the_limit_of_views_a_new_one_is_refused_until_one_is_removed(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_VIEWS == 50
    monkeypatch.setattr(module, "MAX_VIEWS", 2)
    for page in ("a", "b", "b"):
        await setup.profiles.save_view(setup.caller, page, "q")
    with pytest.raises(InvalidRequest, match="at most 2 views can be saved; reset another one"):
        await setup.profiles.save_view(setup.caller, "c", "q")
    await setup.profiles.save_view(setup.caller, "a", "")
    assert set((await setup.profiles.save_view(setup.caller, "c", "q")).views) == {"b", "c"}


# --- password ------------------------------------------------------------------------------


async def change(setup: Setup, old: str, new: str):
    return await setup.profiles.change_password(setup.caller, old, new, "Firefox", "192.0.2.1")


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [("wrong horse battery", NEW, "old", "not your password"), (OLD, OLD, "new", "your present"),
     (OLD, "short", "new", "too few"), ("", NEW, "old", "not your password")],
)  # fmt: skip
async def test_a_refusal_names_the_field_and_changes_nothing(
    setup: Setup, old: str, new: str, field: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as refused:
        await change(setup, old, new)
    assert refused.value.problems[0].field == field
    await setup.sessions.sign_in("ada", OLD, "", "")


async def test_a_new_password_ends_all_sessions_but_the_new_one(setup: Setup) -> None:
    before = await setup.sessions.sign_in("ada", OLD, "Safari", "192.0.2.1")
    made = await change(setup, OLD, NEW)
    with pytest.raises(SessionEnded):
        await setup.sessions.authenticate(before.token)
    assert (await setup.sessions.authenticate(made.token)).user.name == "ada"
    await setup.sessions.sign_in("ada", NEW, "", "")
    entries = await setup.stores.read(
        lambda tx: tx.audit.page(setup.stores.account, before=2**60, limit=9, action="")
    )
    assert AuditAction.PASSWORD in [entry.action for entry in entries]


async def test_after_too_many_wrong_passwords_the_right_one_is_refused_for_a_while(
    setup: Setup,
) -> None:
    for _ in range(6):
        with pytest.raises(InvalidRequest):
            await change(setup, "wrong", NEW)
    with pytest.raises(RateLimited):
        await change(setup, OLD, NEW)
    setup.stores.clock.advance(31)
    await change(setup, OLD, NEW)
    for _ in range(5):  # a right password resets the count of wrong ones
        with pytest.raises(InvalidRequest):
            await change(setup, "wrong", OLD)


async def test_of_two_changes_at_the_same_time_one_is_refused(setup: Setup) -> None:
    async def other() -> None:
        changed = replace(setup.user, password_hash="changed by a link")
        await setup.stores.write(lambda tx: tx.accounts.change_user(changed))

    setup.passwords.meanwhile = other
    with pytest.raises(Conflict, match="sign in again"):
        await change(setup, OLD, NEW)
    user = await setup.stores.read(lambda tx: tx.accounts.user(setup.user.id))
    assert user is not None and user.password_hash == "changed by a link"


async def test_a_user_that_was_removed_cannot_change_a_password(setup: Setup) -> None:
    setup.caller = setup.stranger
    with pytest.raises(UserMissing):
        await change(setup, OLD, NEW)
