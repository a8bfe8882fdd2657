"""The contract of the state: one start for each key of an account, until the key expires."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.model.run import StartRecord
from fyke.storage.sql.state.storage import open_storage
from support import records

pytestmark = pytest.mark.anyio
State = Any

NOW = records.START
RECORD = StartRecord("account-a", "order 66", "d" * 64, "run", "01HFRUN", NOW + 1000)


async def test_a_key_is_claimed_once_and_read_back(state: State) -> None:
    another = replace(RECORD, ref="01HFOTHER", digest="e" * 64)
    assert await state.write(lambda tx: tx.start_keys.claim(RECORD, NOW))
    assert not await state.write(lambda tx: tx.start_keys.claim(another, NOW + 999))
    assert await state.read(lambda tx: tx.start_keys.get("account-a", "order 66")) == RECORD


async def test_accounts_and_keys_are_compared_exactly(state: State) -> None:
    others = [
        replace(RECORD, account_id="account-b"),
        replace(RECORD, key="Order 66"),
        replace(RECORD, key="order 66 "),
        replace(RECORD, key="~" * 255),
    ]
    for record in (RECORD, *others):
        assert await state.write(lambda tx, record=record: tx.start_keys.claim(record, NOW))
    assert await state.read(lambda tx: tx.start_keys.get("account-c", "order 66")) is None


async def test_an_expired_key_can_be_claimed_again(state: State) -> None:
    later = replace(RECORD, ref="01HFLATER", made="queue_item", expires_at=NOW + 5000)
    await state.write(lambda tx: tx.start_keys.claim(RECORD, NOW))
    assert await state.write(lambda tx: tx.start_keys.claim(later, NOW + 1000))
    assert not await state.write(lambda tx: tx.start_keys.claim(RECORD, NOW + 1001))
    assert await state.read(lambda tx: tx.start_keys.get("account-a", "order 66")) == later


async def test_a_claim_that_is_rolled_back_leaves_nothing(state: State) -> None:
    def work(tx: Transaction) -> None:
        assert tx.start_keys.claim(RECORD, NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await state.write(work)
    assert await state.write(lambda tx: tx.start_keys.claim(RECORD, NOW))


async def test_expired_keys_are_removed_oldest_first_in_batches(state: State) -> None:
    def fill(tx: Transaction) -> None:
        for n in range(5):
            tx.start_keys.claim(replace(RECORD, key=f"k{n}", expires_at=NOW + n), NOW - 1)

    await state.write(fill)
    assert await state.write(lambda tx: tx.start_keys.remove_expired(NOW + 3, 3)) == 3
    left = await state.read(lambda tx: [tx.start_keys.get("account-a", f"k{n}") for n in range(5)])
    assert [record is not None for record in left] == [False, False, False, True, True]
    assert await state.write(lambda tx: tx.start_keys.remove_expired(NOW + 3, 100)) == 1
    assert await state.write(lambda tx: tx.start_keys.remove_expired(NOW + 3, 100)) == 0


async def test_one_of_several_concurrent_claims_wins(state: State) -> None:
    other = open_storage(state.url, durable=False, notify=str, hiding=frozenset())

    def claim_as(ref: str) -> Any:
        def work(tx: Transaction) -> tuple[bool, str]:
            is_claimed = tx.start_keys.claim(replace(RECORD, ref=ref), NOW)
            record = tx.start_keys.get("account-a", "order 66")
            assert record is not None
            return is_claimed, record.ref

        return work

    try:
        outcomes = await asyncio.gather(
            *((state.storage, other)[n % 2].write(claim_as(f"ref{n}")) for n in range(24))
        )
    finally:
        await other.close()
    winners = [n for n, (is_claimed, _) in enumerate(outcomes) if is_claimed]
    assert len(winners) == 1
    assert {ref for _, ref in outcomes} == {f"ref{winners[0]}"}
