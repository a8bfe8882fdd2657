from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.billing.days import day_number, local_day
from fyke.domain.billing.pricing import Hold
from fyke.domain.billing.service import place_hold, settle
from fyke.errors import (
    CapReached,
    InsufficientBalance,
    InsufficientTraffic,
    InvalidRequest,
    Refused,
    UserMissing,
)
from fyke.kit.ids import new_ulid
from fyke.model.account import Account
from fyke.model.billing import EntryKind, LedgerEntry, Prices, UsageKey, UsageSums
from fyke.model.run import Run, RunLimits, SpendingBound
from support.examples import examples
from support.memory import MemoryStorage, a_run, add_account

PRICED = Prices(cpu_hour=Decimal("8"))  # with 0.125 cores: one dollar an hour
HOUR = RunLimits(0.125, 512, 3600, 0, 0)


def start_run(storage: MemoryStorage, prices: Prices, run: Run) -> Run:
    held = place_hold(storage.tx, prices, run)
    return replace(run, hold_micros=held.micros, bound=held.bound)


def kinds(storage: MemoryStorage) -> list[str]:
    return [e.kind.value for e in storage.tx.ledger.rows]


def test_a_free_installation_writes_no_entries():
    storage = MemoryStorage()
    account = add_account(storage)
    run = start_run(storage, Prices(), a_run(account.id))
    settle(storage.tx, Prices(), replace(run, traffic_bytes=5))
    assert (run.hold_micros, kinds(storage)) == (0, [])


def test_a_start_reserves_money_and_the_end_books_the_cost():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=3_000_000)
    run = start_run(storage, PRICED, a_run(account.id, limits=HOUR, subtasks=2))
    held = storage.tx.accounts.get(account.id)
    assert (held.balance_micros, held.held_micros) == (3_000_000, 2_000_000)
    settle(storage.tx, PRICED, replace(run, usage_micros=123_456, traffic_bytes=9))
    after = storage.tx.accounts.get(account.id)
    assert (after.balance_micros, after.held_micros, after.traffic_bytes) == (2_876_544, 0, 0)
    assert kinds(storage) == ["hold", "release", "usage"]
    assert {e.run_id for e in storage.tx.ledger.rows} == {run.id}


def test_a_reserved_amount_cannot_be_reserved_again():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=10_500_000)
    admitted = 0
    for _ in range(500):
        try:
            place_hold(storage.tx, PRICED, a_run(account.id, limits=HOUR))
            admitted += 1
        except InsufficientBalance:
            continue
    assert admitted == 10


def test_a_refused_start_costs_nothing_and_names_the_remedy():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=999_999)
    with pytest.raises(InsufficientBalance, match=r"up to 1 USD and 0\.999999 USD are free"):
        place_hold(storage.tx, PRICED, a_run(account.id, limits=HOUR))
    assert storage.tx.accounts.get(account.id) == account
    assert kinds(storage) == []


def test_a_refused_start_names_the_run_that_holds_most():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=3_500_000)
    for subtasks in (1, 2):
        largest = start_run(storage, PRICED, a_run(account.id, limits=HOUR, subtasks=subtasks))
    with pytest.raises(
        InsufficientBalance, match=f"run {largest.id} holds 2 USD; wait for its end"
    ):
        place_hold(storage.tx, PRICED, a_run(account.id, limits=HOUR))
    settle(storage.tx, PRICED, largest)
    place_hold(storage.tx, PRICED, a_run(account.id, limits=HOUR))


def spend(storage: MemoryStorage, account: Account, micros: int, days_ago: int = 0) -> None:
    """Record an ended run of the account with this cost."""
    at = storage.clock.now_ms() - days_ago * 86_400_000
    key = UsageKey(account.id, day_number(local_day(at, account.time_zone)))
    storage.tx.usage.add(key, UsageSums(usage_micros=micros))


def test_spent_and_reserved_amounts_of_a_month_do_not_exceed_its_cap():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=10**9, month_cap_micros=3_500_000)
    spend(storage, account, 5_000_000, days_ago=40)  # another month
    spend(storage, account, 1_000_000)
    first = start_run(storage, PRICED, a_run(account.id, limits=HOUR, subtasks=2))
    assert (first.hold_micros, first.bound) == (2_000_000, SpendingBound.MOST)
    second = start_run(storage, PRICED, a_run(account.id, limits=HOUR, subtasks=2))
    assert (second.hold_micros, second.bound) == (500_000, SpendingBound.MONTH)
    with pytest.raises(CapReached) as refused:
        place_hold(storage.tx, PRICED, a_run(account.id, limits=HOUR))
    said = refused.value.message
    assert "is 3.5 USD; 1 are spent and 2.5 are set aside" in said
    assert "Raise month_cap, or wait until" in said and "(UTC)" in said
    settle(storage.tx, PRICED, replace(first, usage_micros=900_000))
    spend(storage, account, 900_000)
    third = start_run(storage, PRICED, a_run(account.id, limits=HOUR, subtasks=2))
    assert (third.hold_micros, third.bound) == (1_100_000, SpendingBound.MONTH)


def test_a_run_cap_bounds_the_reserved_amount():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=10**7, run_cap_micros=300_000)
    run = start_run(storage, PRICED, a_run(account.id, limits=HOUR))
    assert (run.hold_micros, run.bound) == (300_000, SpendingBound.ACCOUNT)


@pytest.mark.parametrize(
    ("cap", "subtasks", "timeout", "needed"),
    [
        (1, 1, 3600, "0.0028"),
        (2_799, 1, 3600, "0.0028"),
        (5_555, 2, 3600, "0.0056"),
        (899, 1, 3, "0.0009"),
    ],
)
def test_a_cap_below_the_price_of_the_first_seconds_is_refused_with_that_price(
    cap: int, subtasks: int, timeout: int, needed: str
):
    storage = MemoryStorage()
    account = add_account(storage)  # the empty balance is not what is wrong
    limits = replace(HOUR, max_charge_micros=cap, timeout_s=timeout)
    with pytest.raises(InvalidRequest, match=f"max_total_charge must be at least {needed} USD"):
        place_hold(storage.tx, PRICED, a_run(account.id, limits=limits, subtasks=subtasks))
    assert kinds(storage) == []


def test_a_cap_of_exactly_the_first_seconds_starts():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=10**6)
    limits = replace(HOUR, max_charge_micros=2_800)
    run = start_run(storage, PRICED, a_run(account.id, limits=limits))
    assert (run.hold_micros, run.bound) == (2_800, SpendingBound.RUN)


def test_a_cap_of_the_account_below_the_first_seconds_starts_nothing():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=10**6, run_cap_micros=2_799)
    with pytest.raises(CapReached, match=r"is 0\.002799 USD, and the first 10 seconds") as refused:
        place_hold(storage.tx, PRICED, a_run(account.id, limits=HOUR))
    assert refused.value.reason is not None
    assert refused.value.reason.params == {"cap_micros": 2_799, "needed_micros": 2_800}
    month = add_account(storage, "month", balance_micros=10**6, month_cap_micros=10_000)
    spend(storage, month, 7_201)
    with pytest.raises(CapReached, match=r"leaves less than the 0\.0028 for the first 10 seconds"):
        place_hold(storage.tx, PRICED, a_run(month.id, limits=HOUR))
    assert kinds(storage) == []


def test_caps_have_no_effect_without_prices():
    storage = MemoryStorage()
    account = add_account(storage, run_cap_micros=1, month_cap_micros=1)
    spend(storage, account, 5)
    assert start_run(storage, Prices(), a_run(account.id)).hold_micros == 0


def test_a_traffic_quota_is_required_and_deducted():
    storage = MemoryStorage()
    prices = Prices(traffic_quota=True)
    account = add_account(storage, traffic_bytes=100)
    run = start_run(storage, prices, a_run(account.id))
    settle(storage.tx, prices, replace(run, traffic_bytes=150))
    assert storage.tx.accounts.get(account.id).traffic_bytes == -50
    with pytest.raises(InsufficientTraffic):
        place_hold(storage.tx, prices, a_run(account.id))
    assert kinds(storage) == ["usage"]


def test_traffic_that_has_expired_does_not_count():
    storage = MemoryStorage()
    now = storage.clock.now_ms()
    prices = Prices(traffic_quota=True)
    over = add_account(storage, "over", traffic_bytes=100, traffic_expires_at=now)
    good = add_account(storage, "good", traffic_bytes=100, traffic_expires_at=now + 1)
    with pytest.raises(InsufficientTraffic):
        place_hold(storage.tx, prices, a_run(over.id))
    assert place_hold(storage.tx, prices, a_run(good.id)) == Hold(0)


def test_a_low_balance_is_reported_before_missing_traffic():
    storage = MemoryStorage()
    account = add_account(storage)
    prices = replace(PRICED, traffic_quota=True)
    with pytest.raises(InsufficientBalance):
        place_hold(storage.tx, prices, a_run(account.id))


def test_a_run_of_a_removed_account_is_refused():
    with pytest.raises(UserMissing):
        place_hold(MemoryStorage().tx, PRICED, a_run(new_ulid()))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), st.integers(1, 10**8), st.integers(0, 10**10)),
        st.tuples(st.just("start"), st.integers(1, 50), st.integers(0, 10**7)),
        st.tuples(st.just("end"), st.integers(0, 10**8), st.integers(0, 10**10)),
    ),
    max_size=40,
)


def perform(storage: MemoryStorage, prices: Prices, account: Account, plan: list) -> list[Run]:
    living: list[Run] = []
    for kind, a, b in plan:
        if kind == "credit":
            entry = LedgerEntry(new_ulid(), account.id, 0, EntryKind.CREDIT, a, b, "", "")
            storage.tx.ledger.append(entry)
        elif kind == "start":
            limits = replace(HOUR, max_charge_micros=b)
            try:
                living.append(
                    start_run(storage, prices, a_run(account.id, subtasks=a, limits=limits))
                )
            except (Refused, InvalidRequest):
                continue
        elif living:
            settle(storage.tx, prices, replace(living.pop(0), usage_micros=a, traffic_bytes=b))
    return living


@examples(50, 200)
@given(steps, st.decimals(0, 100, places=4), st.decimals(0, 5, places=2), st.booleans())
def test_the_ledger_always_adds_up_to_the_account(
    plan: list, cpu: Decimal, traffic: Decimal, quota: bool
):
    storage = MemoryStorage()
    account = add_account(storage)
    prices = Prices(cpu_hour=cpu, traffic_gb=traffic, traffic_quota=quota)
    living = perform(storage, prices, account, plan)
    now = storage.tx.accounts.get(account.id)
    sums = storage.tx.ledger.sums(account.id)
    assert sums == (now.balance_micros, now.held_micros, now.traffic_bytes)
    assert now.held_micros == sum(run.hold_micros for run in living)
    for run in living:
        settle(storage.tx, prices, run)
    assert storage.tx.accounts.get(account.id).held_micros == 0
