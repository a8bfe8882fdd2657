from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.accounts.model import Account
from fyke.domain.billing.model import EntryKind, LedgerEntry
from fyke.domain.billing.pricing import Prices
from fyke.domain.billing.service import place_hold, settle
from fyke.domain.runs.model import Run, RunLimits
from fyke.errors import InsufficientBalance, InsufficientTraffic, Refused, UserMissing
from fyke.kit.ids import new_ulid
from support.examples import examples
from support.memory import MemoryStorage, a_run, add_account

PRICED = Prices(cpu_hour=Decimal("8"))  # with 0.125 cores: one dollar an hour
HOUR = RunLimits(0.125, 512, 3600, 0, 0)


def started(storage: MemoryStorage, prices: Prices, run: Run) -> Run:
    return replace(run, hold_micros=place_hold(storage.tx, prices, run))


def kinds(storage: MemoryStorage) -> list[str]:
    return [e.kind.value for e in storage.tx.ledger.rows]


def test_a_free_installation_writes_no_entries():
    storage = MemoryStorage()
    account = add_account(storage)
    run = started(storage, Prices(), a_run(account.id))
    settle(storage.tx, Prices(), replace(run, traffic_bytes=5))
    assert (run.hold_micros, kinds(storage)) == (0, [])


def test_a_start_sets_money_aside_and_the_end_books_what_it_cost():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=3_000_000)
    run = started(storage, PRICED, a_run(account.id, limits=HOUR, subtasks=2))
    held = storage.tx.accounts.get(account.id)
    assert (held.balance_micros, held.held_micros) == (3_000_000, 2_000_000)
    settle(storage.tx, PRICED, replace(run, usage_micros=123_456, traffic_bytes=9))
    after = storage.tx.accounts.get(account.id)
    assert (after.balance_micros, after.held_micros, after.traffic_bytes) == (2_876_544, 0, 0)
    assert kinds(storage) == ["hold", "release", "usage"]
    assert {e.run_id for e in storage.tx.ledger.rows} == {run.id}


def test_what_is_held_cannot_be_held_again():
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


def test_a_refused_start_costs_nothing_and_says_what_to_do():
    storage = MemoryStorage()
    account = add_account(storage, balance_micros=999_999)
    with pytest.raises(InsufficientBalance, match=r"up to 1\.00 USD and 0\.9999 USD are free"):
        place_hold(storage.tx, PRICED, a_run(account.id, limits=HOUR))
    assert storage.tx.accounts.get(account.id) == account
    assert kinds(storage) == []


def test_a_quota_of_traffic_is_needed_and_counted_down():
    storage = MemoryStorage()
    prices = Prices(traffic_quota=True)
    account = add_account(storage, traffic_bytes=100)
    run = started(storage, prices, a_run(account.id))
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
    assert place_hold(storage.tx, prices, a_run(good.id)) == 0


def test_missing_money_is_named_before_missing_traffic():
    storage = MemoryStorage()
    account = add_account(storage)
    prices = replace(PRICED, traffic_quota=True)
    with pytest.raises(InsufficientBalance):
        place_hold(storage.tx, prices, a_run(account.id))


def test_a_run_of_an_account_that_is_gone():
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
                    started(storage, prices, a_run(account.id, subtasks=a, limits=limits))
                )
            except Refused:
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
