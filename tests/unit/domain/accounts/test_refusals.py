"""Entries of refused requests: who, from where, what and why, and how many."""

from __future__ import annotations

import pytest

from fyke.domain.accounts.refusals import (
    CALLER_ALLOWANCE,
    NETWORK_ALLOWANCE,
    TOTAL_ALLOWANCE,
    Refusals,
)
from fyke.errors import ConfirmationNeeded, Forbidden, InvalidKey, ScopeMissing, Unavailable
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller
from fyke.model.audit import AuditAction, NewAudit
from support import records
from support.memory import MemoryStorage

pytestmark = pytest.mark.anyio
ADA = Caller("a", "acme", False, "u", "", user_name="ada", session_id="s")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def storage(clock: ManualClock) -> MemoryStorage:
    storage = MemoryStorage(clock)
    storage.tx.accounts.add(records.account(id="o", name="owner", operator=True))
    return storage


@pytest.fixture
def refusals(storage: MemoryStorage, clock: ManualClock) -> Refusals:
    return Refusals(storage, clock)


def logged(storage: MemoryStorage) -> list[NewAudit]:
    return list(storage.tx.audit.rows)


async def test_a_refused_caller_is_in_the_log_of_the_account(
    refusals: Refusals, storage: MemoryStorage
) -> None:
    await refusals.forbidden(ADA, "192.0.2.1", "POST /api/fyke/users", ScopeMissing("a sentence"))
    [entry] = logged(storage)
    assert (entry.account_id, entry.user_id, entry.user_name, entry.session_id) == (
        ("a", "u", "ada", "s")
    )
    assert (entry.action, entry.address) == (AuditAction.REFUSED, "192.0.2.1")
    assert (entry.target, entry.detail) == ("POST /api/fyke/users", "a sentence")


async def test_an_invalid_key_is_in_the_log_of_the_operator(
    refusals: Refusals, storage: MemoryStorage
) -> None:
    await refusals.invalid_key("192.0.2.1", "GET /api/v2/runs", InvalidKey())
    [entry] = logged(storage)
    assert (entry.account_id, entry.user_id, entry.key_id) == ("o", "", "")
    assert (entry.action, entry.address) == (AuditAction.REFUSED, "192.0.2.1")
    assert (entry.target, entry.detail) == ("GET /api/v2/runs", "The API key is not valid")


async def test_asking_for_the_password_is_not_a_refusal(
    refusals: Refusals, storage: MemoryStorage
) -> None:
    await refusals.forbidden(ADA, "192.0.2.1", "POST /settings/keys", ConfirmationNeeded())
    assert logged(storage) == []


async def test_entries_of_a_caller_are_limited(
    refusals: Refusals, storage: MemoryStorage, clock: ManualClock
) -> None:
    ben = Caller("a", "acme", False, "u2", "key of ben")
    for _ in range(100):
        await refusals.forbidden(ADA, "192.0.2.1", "GET /admin", Forbidden())
    assert len(logged(storage)) == CALLER_ALLOWANCE.free
    await refusals.forbidden(ben, "192.0.2.1", "GET /admin", Forbidden())
    clock.advance(CALLER_ALLOWANCE.seconds)
    await refusals.forbidden(ADA, "192.0.2.1", "GET /admin", Forbidden())
    assert len(logged(storage)) == CALLER_ALLOWANCE.free + 2


async def test_entries_of_a_network_and_of_all_are_limited(
    refusals: Refusals, storage: MemoryStorage
) -> None:
    for number in range(100):
        await refusals.invalid_key(f"2001:db8::{number}", "GET /", InvalidKey())
    assert len(logged(storage)) == NETWORK_ALLOWANCE.free
    for number in range(200):
        await refusals.invalid_key(f"198.51.100.{number}", "GET /", InvalidKey())
    assert len(logged(storage)) == TOTAL_ALLOWANCE.free


async def test_a_refusal_that_cannot_be_stored_stays_a_refusal(
    refusals: Refusals, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(work: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(storage, "write", full)
    await refusals.forbidden(ADA, "192.0.2.1", "GET /admin", Forbidden())
