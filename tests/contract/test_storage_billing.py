"""The contract of the state: the ledger with its sums and pages, and usage by day."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from fyke.contracts.state import Transaction
from fyke.model.account import Account
from fyke.model.billing import (
    EntryKind,
    LedgerFilter,
    UsageDimension,
    UsageKey,
    UsageOrder,
    UsageSums,
)
from support import records
from support.examples import examples

pytestmark = pytest.mark.anyio
State = Any


# --- the ledger -----------------------------------------------------------------------------


async def test_ledger_entries_change_the_columns(state: State) -> None:
    owner, _ = await state.write(records.seed)
    entries = [
        records.entry(owner, EntryKind.CREDIT, 1_000, 500),
        records.entry(owner, EntryKind.HOLD, -300),
        records.entry(owner, EntryKind.RELEASE, 300),
        records.entry(owner, EntryKind.USAGE, -120, -40),
        records.entry(owner, EntryKind.HOLD, -50),
    ]
    await state.write(lambda tx: [tx.ledger.append(e) for e in entries])
    account = await state.read(lambda tx: tx.accounts.get(owner))
    assert (account.balance_micros, account.held_micros, account.traffic_bytes) == (880, 50, 460)
    assert await state.read(lambda tx: tx.ledger.sums(owner)) == (880, 50, 460)
    assert await state.read(lambda tx: tx.ledger.entries(owner, limit=2)) == entries[:2:-1]
    assert await state.read(lambda tx: tx.ledger.sums("unknown")) == (0, 0, 0)


amounts = st.integers(min_value=-(2**40), max_value=2**40)
movements = st.lists(st.tuples(st.sampled_from(EntryKind), amounts, amounts), max_size=30)


@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=movements)
async def test_ledger_sums_always_equal_the_columns(
    state: State, moves: list[tuple[EntryKind, int, int]]
) -> None:
    owner, _ = await state.write(records.seed)

    def work(tx: Transaction) -> tuple[Account | None, tuple[int, int, int]]:
        for kind, usd, traffic in moves:
            tx.ledger.append(records.entry(owner, kind, usd, traffic))
        return tx.accounts.get(owner), tx.ledger.sums(owner)

    account, sums = await state.write(work)
    assert sums == (account.balance_micros, account.held_micros, account.traffic_bytes)


async def test_the_ledger_is_read_page_by_page(state: State) -> None:
    account, other = records.account(), records.account()
    kinds = list(EntryKind)
    # two entries for each moment, so that the test covers the order between them
    entries = [
        replace(records.entry(account.id, kinds[n % 4], n), at=records.START + n // 2)
        for n in range(25)
    ]
    foreign = records.entry(other.id, EntryKind.CREDIT, 5)

    def work(tx: Transaction) -> None:
        tx.accounts.add(account)
        tx.accounts.add(other)
        for entry in (*entries, foreign):
            tx.ledger.append(entry)

    await state.write(work)

    async def all_of(filter: LedgerFilter) -> list[Any]:
        entries: list[Any] = []
        while True:
            after = entries[-1].id if entries else ""
            page = await state.read(
                lambda tx, after=after: tx.ledger.page(account.id, filter, after, 4)
            )
            if not page:
                return entries
            entries += page

    assert await all_of(LedgerFilter()) == entries[::-1]
    since, until = records.START + 3, records.START + 9
    within = [e for e in entries[::-1] if since <= e.at < until]
    assert await all_of(LedgerFilter(since=since, until=until)) == within
    usage = LedgerFilter(kinds=(EntryKind.USAGE, EntryKind.CREDIT))
    assert await all_of(usage) == [e for e in entries[::-1] if e.kind in usage.kinds]
    for unknown in (foreign.id, "nothing"):
        page = await state.read(
            lambda tx, ref=unknown: tx.ledger.page(account.id, LedgerFilter(), ref, 4)
        )
        assert page is None


# --- usage ----------------------------------------------------------------------------------


async def test_sums_are_kept_by_day_and_returned_in_parts(state: State) -> None:
    dice = random.Random(3)
    account = records.account()
    added: list[tuple[UsageKey, UsageSums]] = []
    for _ in range(80):
        owners = dice.choice("ab"), dice.choice(["", "t"]), dice.choice("kl")
        key = UsageKey(account.id, 20261100 + dice.randint(1, 30), *owners)
        added.append((key, UsageSums(*(dice.randint(0, 10**12) for _ in range(8)))))
    await state.write(lambda tx: tx.accounts.add(account))
    for start in range(0, 80, 20):  # each transaction adds to several rows, and some to the same
        batch = added[start : start + 20]
        await state.write(lambda tx, batch=batch: [tx.usage.add(*addition) for addition in batch])
    inside = [(key, sums) for key, sums in added if 20261105 <= key.day <= 20261120]
    days = await state.read(lambda tx: tx.usage.days(account.id, 20261105, 20261120))
    expected: dict[Any, UsageSums] = {}
    for key, sums in inside:
        expected[key.day] = expected.get(key.day, UsageSums()) + sums
    assert days == expected
    for part in UsageDimension:
        expected = {}
        for key, sums in inside:
            ref = getattr(key, f"{part.value}_id")
            expected[ref] = expected.get(ref, UsageSums()) + sums
        stored = await state.read(
            lambda tx, part=part: tx.usage.parts(account.id, 20261105, 20261120, part, 10)
        )
        assert dict(stored) == expected
        assert [s.usage_micros for _, s in stored] == sorted(
            (s.usage_micros for s in expected.values()), reverse=True
        )
    assert await state.read(lambda tx: tx.usage.days("other", 0, 99999999)) == {}


async def test_the_slowest_parts_come_first_by_their_average(state: State) -> None:
    added = {
        "often": [UsageSums(runs=2, run_ms=9_000), UsageSums(runs=8, run_ms=1_000)],
        "slow": [UsageSums(runs=2, run_ms=3_001)],
        "quick": [UsageSums(runs=3, run_ms=4_500), UsageSums(runs=1, run_ms=1_500)],
        "never": [UsageSums(usage_micros=5, run_ms=9)],
    }

    def work(tx: Transaction) -> None:
        for worker, days in added.items():
            for day, sums in enumerate(days, 20261124):
                tx.usage.add(UsageKey("account", day, worker), sums)

    await state.write(work)
    days, part, order = (20261124, 20261125), UsageDimension.WORKER, UsageOrder.SLOWEST
    stored = await state.read(lambda tx: tx.usage.parts("account", *days, part, 9, order))
    averages = [(ref, sums.average_ms) for ref, sums in stored]
    assert averages == [("slow", 1500), ("quick", 1500), ("often", 1000)]
    first = await state.read(lambda tx: tx.usage.parts("account", *days, part, 1, order))
    assert first == stored[:1]


async def test_concurrent_additions_are_all_kept(state: State) -> None:
    keys = [UsageKey("account", 20261124, worker) for worker in "abc"]

    async def add(order: list[UsageKey]) -> None:
        await state.write(lambda tx: [tx.usage.add(key, UsageSums(runs=1)) for key in order])

    await asyncio.gather(*(add(keys[:: 1 if n % 2 else -1]) for n in range(24)))
    stored = await state.read(
        lambda tx: tx.usage.parts("account", 0, 99999999, UsageDimension.WORKER, 9)
    )
    assert {ref: sums.runs for ref, sums in stored} == dict.fromkeys("abc", 24)


async def test_a_failed_transaction_adds_nothing(state: State) -> None:
    def work(tx: Transaction) -> None:
        tx.usage.add(UsageKey("account", 20261124), UsageSums(runs=1))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await state.write(work)
    assert await state.read(lambda tx: tx.usage.days("account", 0, 99999999)) == {}
