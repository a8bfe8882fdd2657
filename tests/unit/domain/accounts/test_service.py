from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fyke.domain.accounts.keys import digest, generate
from fyke.domain.accounts.service import Accounts
from fyke.errors import (
    Conflict,
    ExpiredKey,
    Forbidden,
    InvalidKey,
    InvalidRequest,
    NotFound,
    Unavailable,
    UserDisabled,
    UserMissing,
)
from fyke.kit.clock import ManualClock
from fyke.kit.ids import new_ulid
from fyke.model.account import Account, Caller, Role, User
from support.memory import MemoryStorage, add_account, caller_of

pytestmark = pytest.mark.anyio


class Place:
    """An installation after its first start."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage(self.clock)
        self.accounts = Accounts(self.storage, self.clock)

    async def begin(self) -> Place:
        self.operator_account, key = await self.accounts.bootstrap()
        assert key is not None
        self.key = key
        self.operator = await self.accounts.authenticate(key)
        return self

    def change_user(self, caller: Caller, **changes: object) -> None:
        users = self.storage.tx.accounts.user_rows
        users[caller.user_id] = replace(users[caller.user_id], **changes)


@pytest.fixture
async def place() -> Place:
    return await Place().begin()


# --- the first start -----------------------------------------------------------------------


async def test_the_first_start_makes_the_operator_and_one_key(place: Place):
    account = place.operator_account
    assert (account.name, account.operator) == ("owner", True)
    assert place.operator.operator and place.operator.role is Role.OWNER
    [key] = await place.accounts.list_keys(place.operator)
    assert (key.name, key.digest) == ("local", digest(place.key))


async def test_later_starts_make_nothing(place: Place):
    again, key = await place.accounts.bootstrap()
    assert (again, key) == (place.operator_account, None)
    assert len(place.storage.tx.accounts.key_rows) == 1


async def test_a_second_server_that_starts_at_the_same_moment_takes_what_is_there():
    storage = MemoryStorage()
    accounts = Accounts(storage, storage.clock)
    real_write = storage.write
    tries = []

    async def beaten(work):
        tries.append(1)
        if len(tries) == 1:
            add_account(storage, "owner", operator=True)
            raise Conflict
        return await real_write(work)

    storage.write = beaten
    account, key = await accounts.bootstrap()
    assert (account.name, key, len(tries)) == ("owner", None, 2)


async def test_no_text_of_a_key_is_stored(place: Place):
    made = await place.accounts.create_key(place.operator, "second")
    everything = repr(place.storage.tx.accounts.__dict__)
    assert place.key not in everything and made.key not in everything


# --- who is asking -------------------------------------------------------------------------


async def test_unknown_and_malformed_keys_are_refused(place: Place):
    reads = place.storage.reads
    for text in ("", "nonsense", "scraper_api_" + "I" * 26, place.key.lower()):
        with pytest.raises(InvalidKey):
            await place.accounts.authenticate(text)
    assert place.storage.reads == reads  # no form, no look-up
    with pytest.raises(InvalidKey):
        await place.accounts.authenticate(generate())


async def test_a_store_that_answers_with_another_key_is_not_believed(place: Place):
    store = place.storage.tx.accounts
    right = next(iter(store.key_rows.values()))
    store.key_by_digest = lambda wanted: right
    with pytest.raises(InvalidKey):
        await place.accounts.authenticate(generate())


async def test_a_good_key_is_looked_up_once_a_second(place: Place):
    reads = place.storage.reads
    for _ in range(50):
        await place.accounts.authenticate(place.key)
    assert place.storage.reads == reads
    place.clock.advance(1.0)
    await place.accounts.authenticate(place.key)
    assert place.storage.reads == reads + 1


async def test_a_key_revoked_elsewhere_ends_within_a_second(place: Place):
    made = await place.accounts.create_key(place.operator, "laptop")
    await place.accounts.authenticate(made.key)
    place.storage.tx.accounts.revoke_key(place.operator.account_id, made.id, 1)
    place.clock.advance(1.0)
    with pytest.raises(InvalidKey):
        await place.accounts.authenticate(made.key)


async def test_a_key_revoked_here_ends_at_once(place: Place):
    made = await place.accounts.create_key(place.operator, "laptop")
    await place.accounts.authenticate(made.key)
    await place.accounts.revoke_key(place.operator, "laptop")
    with pytest.raises(InvalidKey):
        await place.accounts.authenticate(made.key)


async def test_a_key_ends_at_its_time_even_if_it_was_just_used(place: Place):
    soon = place.clock.now_ms() + 500
    made = await place.accounts.create_key(place.operator, "brief", expires_at=soon)
    await place.accounts.authenticate(made.key)
    place.clock.advance(0.5)
    with pytest.raises(ExpiredKey):
        await place.accounts.authenticate(made.key)


async def test_users_that_are_disabled_or_gone(place: Place):
    place.change_user(place.operator, disabled=True)
    place.clock.advance(1.0)
    with pytest.raises(UserDisabled):
        await place.accounts.authenticate(place.key)
    place.storage.tx.accounts.user_rows.clear()
    with pytest.raises(UserMissing):
        await place.accounts.authenticate(place.key)


async def test_last_use_is_noted_at_most_once_a_minute(place: Place):
    writes = place.storage.writes
    for _ in range(100):
        place.clock.advance(1.0)
        await place.accounts.authenticate(place.key)
    assert place.storage.writes == writes + 1
    [key] = await place.accounts.list_keys(place.operator)
    assert key.last_used_at > 0


async def test_reading_works_when_nothing_can_be_written(place: Place):
    place.clock.advance(100)
    place.storage.write_error = Unavailable()
    assert (await place.accounts.authenticate(place.key)).operator


async def test_remembered_keys_do_not_pile_up(place: Place):
    for i in range(5000):
        place.accounts._remember(str(i), place.operator, 0)
    assert len(place.accounts._known) <= 4096


# --- accounts ------------------------------------------------------------------------------


async def test_a_new_account_has_a_user_and_a_key_that_works(place: Place):
    account, key = await place.accounts.add_account(place.operator, "acme")
    caller = await place.accounts.authenticate(key.key)
    assert (caller.account_id, caller.account_name, caller.operator) == (account.id, "acme", False)
    [user] = place.storage.tx.accounts.users(account.id)
    assert (user.name, user.role) == ("acme", Role.OWNER)
    assert await place.accounts.get(caller) == account


@pytest.mark.parametrize("name", ["", "-a", "Acme", "a_b", "a/b", "a" * 40, "é", "a\n", "a~b"])
async def test_account_names_follow_the_rule(place: Place, name: str):
    with pytest.raises(InvalidRequest, match="name"):
        await place.accounts.add_account(place.operator, name)


async def test_account_names_are_unique(place: Place):
    await place.accounts.add_account(place.operator, "a" * 39)
    with pytest.raises(Conflict, match="exists already"):
        await place.accounts.add_account(place.operator, "a" * 39)
    assert len(await place.accounts.list_accounts(place.operator)) == 2


async def test_only_the_operator_manages_accounts(place: Place):
    caller = caller_of(add_account(place.storage))
    for call in (
        place.accounts.add_account(caller, "other"),
        place.accounts.list_accounts(caller),
        place.accounts.credit(caller, "acme", Decimal(1), Decimal(0)),
        place.accounts.create_key(caller, "k", account="owner"),
        place.accounts.list_keys(caller, account="owner"),
        place.accounts.revoke_key(caller, "local", account="owner"),
    ):
        with pytest.raises(Forbidden):
            await call


async def test_an_account_that_was_removed(place: Place):
    gone = Account(new_ulid(), "gone", False, 0, 0, 0, 0, 0)
    with pytest.raises(UserMissing):
        await place.accounts.get(caller_of(gone))


async def test_credit_moves_the_account_through_the_ledger(place: Place):
    add_account(place.storage)
    account = await place.accounts.credit(
        place.operator, "acme", Decimal("10.000001"), Decimal("1.5")
    )
    assert (account.balance_micros, account.traffic_bytes) == (10_000_001, 1_500_000)
    assert place.storage.tx.ledger.sums(account.id) == (10_000_001, 0, 1_500_000)
    [entry] = place.storage.tx.ledger.entries(account.id, limit=9)
    assert (entry.kind, entry.note) == ("credit", "credited by owner")


@pytest.mark.parametrize(
    ("usd", "traffic"),
    [
        ("-1", "0"),
        ("0", "-1"),
        ("NaN", "0"),
        ("sNaN", "0"),
        ("Infinity", "0"),
        ("1e308", "0"),
        ("0", "1e308"),
        ("0.0000001", "0"),
        ("0", "0.0000001"),
        ("0", "0"),
    ],
)
async def test_impossible_amounts_are_refused(place: Place, usd: str, traffic: str):
    account = add_account(place.storage)
    with pytest.raises(InvalidRequest, match=r"usd|traffic_mb"):
        await place.accounts.credit(place.operator, "acme", Decimal(usd), Decimal(traffic))
    assert place.storage.tx.accounts.get(account.id) == account


async def test_an_account_cannot_overflow(place: Place):
    add_account(place.storage)
    most = Decimal(10**12)
    await place.accounts.credit(place.operator, "acme", most, Decimal(0))
    with pytest.raises(InvalidRequest, match="more than an account can have"):
        await place.accounts.credit(place.operator, "acme", most, Decimal(0))


async def test_crediting_an_unknown_account(place: Place):
    with pytest.raises(NotFound, match="no account"):
        await place.accounts.credit(place.operator, "nobody", Decimal(1), Decimal(0))


# --- keys ----------------------------------------------------------------------------------


async def test_a_key_for_another_account_speaks_as_its_owner(place: Place):
    account, _ = await place.accounts.add_account(place.operator, "acme")
    made = await place.accounts.create_key(place.operator, "support", account="acme")
    caller = await place.accounts.authenticate(made.key)
    assert (caller.account_id, caller.operator) == (account.id, False)
    names = [k.name for k in await place.accounts.list_keys(place.operator, account="acme")]
    assert names == ["first", "support"]
    await place.accounts.revoke_key(place.operator, made.id, account="acme")
    with pytest.raises(InvalidKey):
        await place.accounts.authenticate(made.key)


async def test_an_account_without_an_owner_gets_no_key(place: Place):
    add_account(place.storage)
    with pytest.raises(NotFound, match="no user with the role owner"):
        await place.accounts.create_key(place.operator, "k", account="acme")


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 65, "a\nb", "\x1b[31m", "01KJXSR49GEMBEZZ5FZDPVNBWK"]
)
async def test_key_names_follow_the_rule(place: Place, name: str):
    with pytest.raises(InvalidRequest, match="name"):
        await place.accounts.create_key(place.operator, name)


async def test_living_keys_have_different_names(place: Place):
    await place.accounts.create_key(place.operator, " laptop ")
    with pytest.raises(Conflict, match="laptop"):
        await place.accounts.create_key(place.operator, "laptop")
    await place.accounts.revoke_key(place.operator, "laptop")
    again = await place.accounts.create_key(place.operator, "laptop")
    assert again.name == "laptop"


async def test_a_key_cannot_expire_in_the_past(place: Place):
    with pytest.raises(InvalidRequest, match="expires_at"):
        await place.accounts.create_key(place.operator, "k", expires_at=place.clock.now_ms())


async def test_revoking_what_is_not_there(place: Place):
    account, key = await place.accounts.add_account(place.operator, "acme")
    with pytest.raises(NotFound, match="no living key"):
        await place.accounts.revoke_key(place.operator, key.id)  # another account's
    await place.accounts.revoke_key(caller_of(account), key.id)
    with pytest.raises(NotFound):
        await place.accounts.revoke_key(caller_of(account), key.id)


async def test_roles_are_honoured(place: Place):
    account = place.operator_account
    for name, role in (("m", Role.MEMBER), ("v", Role.VIEWER)):
        place.storage.tx.accounts.add_user(User(name, account.id, name, role, False, "", 0))
    member = replace(place.operator, user_id="m", role=Role.MEMBER)
    viewer = replace(place.operator, user_id="v", role=Role.VIEWER)
    with pytest.raises(Forbidden):
        await place.accounts.create_key(viewer, "mine")
    with pytest.raises(Forbidden):
        await place.accounts.revoke_key(viewer, "local")
    with pytest.raises(Forbidden, match="owner"):
        await place.accounts.revoke_key(member, "local")
    made = await place.accounts.create_key(member, "mine")
    assert (await place.accounts.authenticate(made.key)).role is Role.MEMBER
    await place.accounts.revoke_key(member, "mine")


async def test_a_lost_local_key_is_replaced_and_ends(place: Place):
    made = await place.accounts.create_local_key(place.operator_account.id)
    assert (await place.accounts.authenticate(made.key)).operator
    with pytest.raises(InvalidKey):
        await place.accounts.authenticate(place.key)
