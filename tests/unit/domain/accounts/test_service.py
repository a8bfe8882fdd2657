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


class Setup:
    """An installation after its first start."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage(self.clock)
        self.accounts = Accounts(self.storage, self.clock)

    async def begin(self) -> Setup:
        self.operator_account, key = await self.accounts.bootstrap()
        assert key is not None
        self.key = key
        self.operator = await self.accounts.authenticate(key)
        return self

    def change_user(self, caller: Caller, **changes: object) -> None:
        users = self.storage.tx.accounts.user_rows
        users[caller.user_id] = replace(users[caller.user_id], **changes)


@pytest.fixture
async def setup() -> Setup:
    return await Setup().begin()


# --- the first start -----------------------------------------------------------------------


async def test_the_first_start_creates_the_operator_and_one_key(setup: Setup):
    account = setup.operator_account
    assert (account.name, account.operator) == ("owner", True)
    assert setup.operator.operator and setup.operator.role is Role.OWNER
    [key] = await setup.accounts.list_keys(setup.operator)
    assert (key.name, key.digest) == ("local", digest(setup.key))


async def test_later_starts_create_nothing(setup: Setup):
    again, key = await setup.accounts.bootstrap()
    assert (again, key) == (setup.operator_account, None)
    assert len(setup.storage.tx.accounts.key_rows) == 1


async def test_a_second_server_that_starts_at_the_same_moment_uses_the_existing_account():
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


async def test_no_text_of_a_key_is_stored(setup: Setup):
    made = await setup.accounts.create_key(setup.operator, "second")
    everything = repr(setup.storage.tx.accounts.__dict__)
    assert setup.key not in everything and made.key not in everything


# --- authentication ------------------------------------------------------------------------


async def test_unknown_and_malformed_keys_are_refused(setup: Setup):
    reads = setup.storage.reads
    for text in ("", "nonsense", "scraper_api_" + "I" * 26, setup.key.lower()):
        with pytest.raises(InvalidKey):
            await setup.accounts.authenticate(text)
    assert setup.storage.reads == reads  # a malformed key is not looked up
    with pytest.raises(InvalidKey):
        await setup.accounts.authenticate(generate())


async def test_a_stored_key_with_another_digest_is_refused(setup: Setup):
    store = setup.storage.tx.accounts
    right = next(iter(store.key_rows.values()))
    store.key_by_digest = lambda wanted: right
    with pytest.raises(InvalidKey):
        await setup.accounts.authenticate(generate())


async def test_a_valid_key_is_looked_up_once_a_second(setup: Setup):
    reads = setup.storage.reads
    for _ in range(50):
        await setup.accounts.authenticate(setup.key)
    assert setup.storage.reads == reads
    setup.clock.advance(1.0)
    await setup.accounts.authenticate(setup.key)
    assert setup.storage.reads == reads + 1


async def test_a_key_revoked_by_another_server_ends_within_a_second(setup: Setup):
    made = await setup.accounts.create_key(setup.operator, "laptop")
    await setup.accounts.authenticate(made.key)
    setup.storage.tx.accounts.revoke_key(setup.operator.account_id, made.id, 1)
    setup.clock.advance(1.0)
    with pytest.raises(InvalidKey):
        await setup.accounts.authenticate(made.key)


async def test_a_key_revoked_by_this_server_ends_at_once(setup: Setup):
    made = await setup.accounts.create_key(setup.operator, "laptop")
    await setup.accounts.authenticate(made.key)
    await setup.accounts.revoke_key(setup.operator, "laptop")
    with pytest.raises(InvalidKey):
        await setup.accounts.authenticate(made.key)


async def test_a_cached_key_expires_on_time(setup: Setup):
    soon = setup.clock.now_ms() + 500
    made = await setup.accounts.create_key(setup.operator, "brief", expires_at=soon)
    await setup.accounts.authenticate(made.key)
    setup.clock.advance(0.5)
    with pytest.raises(ExpiredKey):
        await setup.accounts.authenticate(made.key)


async def test_disabled_and_deleted_users_are_refused(setup: Setup):
    setup.change_user(setup.operator, disabled=True)
    setup.clock.advance(1.0)
    with pytest.raises(UserDisabled):
        await setup.accounts.authenticate(setup.key)
    setup.storage.tx.accounts.user_rows.clear()
    with pytest.raises(UserMissing):
        await setup.accounts.authenticate(setup.key)


async def test_last_use_is_noted_at_most_once_a_minute(setup: Setup):
    writes = setup.storage.writes
    for _ in range(100):
        setup.clock.advance(1.0)
        await setup.accounts.authenticate(setup.key)
    assert setup.storage.writes == writes + 1
    [key] = await setup.accounts.list_keys(setup.operator)
    assert key.last_used_at > 0


async def test_reading_works_when_nothing_can_be_written(setup: Setup):
    setup.clock.advance(100)
    setup.storage.write_error = Unavailable()
    assert (await setup.accounts.authenticate(setup.key)).operator


async def test_the_number_of_cached_keys_is_bounded(setup: Setup):
    for i in range(5000):
        setup.accounts._remember(str(i), setup.operator, 0)
    assert len(setup.accounts._cache) <= 4096


# --- accounts ------------------------------------------------------------------------------


async def test_a_new_account_has_a_user_and_a_key_that_works(setup: Setup):
    account, key = await setup.accounts.add_account(setup.operator, "acme")
    caller = await setup.accounts.authenticate(key.key)
    assert (caller.account_id, caller.account_name, caller.operator) == (account.id, "acme", False)
    [user] = setup.storage.tx.accounts.users(account.id)
    assert (user.name, user.role) == ("acme", Role.OWNER)
    assert await setup.accounts.get(caller) == account


@pytest.mark.parametrize("name", ["", "-a", "Acme", "a_b", "a/b", "a" * 40, "é", "a\n", "a~b"])
async def test_account_names_follow_the_rule(setup: Setup, name: str):
    with pytest.raises(InvalidRequest, match="name"):
        await setup.accounts.add_account(setup.operator, name)


async def test_account_names_are_unique(setup: Setup):
    await setup.accounts.add_account(setup.operator, "a" * 39)
    with pytest.raises(Conflict, match="already exists"):
        await setup.accounts.add_account(setup.operator, "a" * 39)
    assert len(await setup.accounts.list_accounts(setup.operator)) == 2


async def test_only_the_operator_manages_accounts(setup: Setup):
    caller = caller_of(add_account(setup.storage))
    for call in (
        setup.accounts.add_account(caller, "other"),
        setup.accounts.list_accounts(caller),
        setup.accounts.credit(caller, "acme", Decimal(1), Decimal(0)),
        setup.accounts.create_key(caller, "k", account="owner"),
        setup.accounts.list_keys(caller, account="owner"),
        setup.accounts.revoke_key(caller, "local", account="owner"),
    ):
        with pytest.raises(Forbidden):
            await call


async def test_an_account_that_was_removed(setup: Setup):
    gone = Account(new_ulid(), "gone", False, 0, 0, 0, 0, 0)
    with pytest.raises(UserMissing):
        await setup.accounts.get(caller_of(gone))


async def test_a_credit_is_added_to_ledger_and_balance(setup: Setup):
    add_account(setup.storage)
    account = await setup.accounts.credit(
        setup.operator, "acme", Decimal("10.000001"), Decimal("1.5")
    )
    assert (account.balance_micros, account.traffic_bytes) == (10_000_001, 1_500_000)
    assert setup.storage.tx.ledger.sums(account.id) == (10_000_001, 0, 1_500_000)
    [entry] = setup.storage.tx.ledger.entries(account.id, limit=9)
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
async def test_impossible_amounts_are_refused(setup: Setup, usd: str, traffic: str):
    account = add_account(setup.storage)
    with pytest.raises(InvalidRequest, match=r"usd|traffic_mb"):
        await setup.accounts.credit(setup.operator, "acme", Decimal(usd), Decimal(traffic))
    assert setup.storage.tx.accounts.get(account.id) == account


async def test_an_account_cannot_overflow(setup: Setup):
    add_account(setup.storage)
    most = Decimal(10**12)
    await setup.accounts.credit(setup.operator, "acme", most, Decimal(0))
    with pytest.raises(InvalidRequest, match="more than an account can have"):
        await setup.accounts.credit(setup.operator, "acme", most, Decimal(0))


async def test_crediting_an_unknown_account(setup: Setup):
    with pytest.raises(NotFound, match="no account"):
        await setup.accounts.credit(setup.operator, "nobody", Decimal(1), Decimal(0))


# --- keys ----------------------------------------------------------------------------------


async def test_a_key_for_another_account_belongs_to_its_owner(setup: Setup):
    account, _ = await setup.accounts.add_account(setup.operator, "acme")
    made = await setup.accounts.create_key(setup.operator, "support", account="acme")
    caller = await setup.accounts.authenticate(made.key)
    assert (caller.account_id, caller.operator) == (account.id, False)
    names = [k.name for k in await setup.accounts.list_keys(setup.operator, account="acme")]
    assert names == ["first", "support"]
    await setup.accounts.revoke_key(setup.operator, made.id, account="acme")
    with pytest.raises(InvalidKey):
        await setup.accounts.authenticate(made.key)


async def test_an_account_without_an_owner_gets_no_key(setup: Setup):
    add_account(setup.storage)
    with pytest.raises(NotFound, match="no enabled user with the role owner"):
        await setup.accounts.create_key(setup.operator, "k", account="acme")


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 65, "a\nb", "\x1b[31m", "01KJXSR49GEMBEZZ5FZDPVNBWK"]
)
async def test_key_names_follow_the_rule(setup: Setup, name: str):
    with pytest.raises(InvalidRequest, match="name"):
        await setup.accounts.create_key(setup.operator, name)


async def test_valid_keys_have_different_names(setup: Setup):
    await setup.accounts.create_key(setup.operator, " laptop ")
    with pytest.raises(Conflict, match="laptop"):
        await setup.accounts.create_key(setup.operator, "laptop")
    await setup.accounts.revoke_key(setup.operator, "laptop")
    again = await setup.accounts.create_key(setup.operator, "laptop")
    assert again.name == "laptop"


async def test_a_key_cannot_expire_in_the_past(setup: Setup):
    with pytest.raises(InvalidRequest, match="expires_at"):
        await setup.accounts.create_key(setup.operator, "k", expires_at=setup.clock.now_ms())


async def test_revoking_an_unknown_or_revoked_key_is_refused(setup: Setup):
    account, key = await setup.accounts.add_account(setup.operator, "acme")
    with pytest.raises(NotFound, match="no valid key"):
        await setup.accounts.revoke_key(setup.operator, key.id)  # another account's
    await setup.accounts.revoke_key(caller_of(account), key.id)
    with pytest.raises(NotFound):
        await setup.accounts.revoke_key(caller_of(account), key.id)


async def test_roles_limit_what_keys_may_do(setup: Setup):
    account = setup.operator_account
    for name, role in (("m", Role.MEMBER), ("v", Role.VIEWER)):
        setup.storage.tx.accounts.add_user(User(name, account.id, name, role, False, "", 0))
    member = replace(setup.operator, user_id="m", role=Role.MEMBER)
    viewer = replace(setup.operator, user_id="v", role=Role.VIEWER)
    with pytest.raises(Forbidden):
        await setup.accounts.create_key(viewer, "mine")
    with pytest.raises(Forbidden):
        await setup.accounts.revoke_key(viewer, "local")
    with pytest.raises(Forbidden, match="owner"):
        await setup.accounts.revoke_key(member, "local")
    made = await setup.accounts.create_key(member, "mine")
    assert (await setup.accounts.authenticate(made.key)).role is Role.MEMBER
    await setup.accounts.revoke_key(member, "mine")


async def test_a_lost_local_key_is_replaced_and_revoked(setup: Setup):
    made = await setup.accounts.create_local_key(setup.operator_account.id)
    assert (await setup.accounts.authenticate(made.key)).operator
    with pytest.raises(InvalidKey):
        await setup.accounts.authenticate(setup.key)
