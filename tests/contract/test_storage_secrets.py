"""The contract of secrets: stored by account and worker, with the time of their last use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.model.secret import SealedSecret
from support import records

pytestmark = pytest.mark.anyio
State = Any


def a_secret(account_id: str, worker_id: str, name: str = "LOGIN", **options: Any) -> SealedSecret:
    secret = SealedSecret(account_id, worker_id, name, "k1", "c2VhbGVk", "ada", 1000)
    return replace(secret, **options)


async def two_of_each(state: State) -> tuple[list[str], list[str]]:
    """Two accounts and a worker of each."""
    pairs = [await state.write(records.seed) for _ in range(2)]
    return [owner for owner, _ in pairs], [worker for _, worker in pairs]


async def test_a_stored_secret_is_read_back_by_name(state: State) -> None:
    (owner, _), (worker, _) = await two_of_each(state)
    secrets = [a_secret(owner, worker, name) for name in ("B", "A_2", "A")]
    await state.write(lambda tx: [tx.secrets.put(secret) for secret in secrets])
    stored = await state.read(lambda tx: tx.secrets.of(owner, worker))
    assert stored == [secrets[2], secrets[1], secrets[0]]


async def test_secrets_belong_to_an_account_and_a_worker(state: State) -> None:
    owners, workers = await two_of_each(state)
    secrets = [a_secret(o, w, sealed=f"{o}{w}") for o in owners for w in workers]
    await state.write(lambda tx: [tx.secrets.put(secret) for secret in secrets])
    for secret in secrets:
        assert await state.read(_of(secret)) == [secret]
    assert await state.write(lambda tx: tx.secrets.remove(owners[0], workers[0], "LOGIN"))
    assert not await state.write(lambda tx: tx.secrets.remove(owners[0], workers[0], "LOGIN"))
    assert await state.read(_of(secrets[0])) == []
    for secret in secrets[1:]:
        assert await state.read(_of(secret)) == [secret]


def _of(secret: SealedSecret) -> Any:
    return lambda tx: tx.secrets.of(secret.account_id, secret.worker_id)


async def test_a_new_value_replaces_the_old_one(state: State) -> None:
    (owner, _), (worker, _) = await two_of_each(state)
    first = a_secret(owner, worker, used_at=900)
    second = replace(first, key_id="k2", sealed="bmV3", set_by="bob", set_at=2000, used_at=0)
    await state.write(lambda tx: tx.secrets.put(first))
    await state.write(lambda tx: tx.secrets.put(second))
    assert await state.read(_of(first)) == [second]


async def test_use_is_noted_for_injected_secrets_and_never_decreases(state: State) -> None:
    owners, workers = await two_of_each(state)
    stored = [a_secret(o, workers[0], name) for o in owners for name in ("A", "B", "C")]
    await state.write(lambda tx: [tx.secrets.put(secret) for secret in stored])

    def use(names: list[str], at: int) -> Any:
        return lambda tx: tx.secrets.note_use(owners[0], workers[0], names, at)

    await state.write(use(["A", "B", "GONE"], 5000))
    await state.write(use(["A"], 4000))
    await state.write(use([], 9000))
    secrets = await state.read(_of(stored[0]))
    assert [secret.used_at for secret in secrets] == [5000, 5000, 0]
    assert [secret.used_at for secret in await state.read(_of(stored[3]))] == [0, 0, 0]


async def test_secrets_are_deleted_with_their_worker(state: State) -> None:
    owners, workers = await two_of_each(state)
    secrets = [a_secret(o, w) for o in owners for w in workers]

    def work(tx: Transaction) -> None:
        for secret in secrets:
            tx.secrets.put(secret)
        tx.secrets.remove_of_worker(workers[0])

    await state.write(work)
    left = [secret for secret in secrets if await state.read(_of(secret))]
    assert left == [secret for secret in secrets if secret.worker_id == workers[1]]
