"""One question to the database for all nodes that ask at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fyke.gateway import contact
from fyke.gateway.contact import SharedContact, in_doubt
from fyke.model.node import ContactState

pytestmark = pytest.mark.anyio
ANSWERED, SHARED = ContactState.ANSWERED, ContactState.DOWN_FOR_ALL


async def test_nodes_share_a_question_also_when_one_has_gone(monkeypatch: Any) -> None:
    monkeypatch.setattr(contact, "AGE_SECONDS", -1.0)
    calls, gate = 0, asyncio.Event()

    async def find() -> ContactState:
        nonlocal calls
        calls += 1
        await gate.wait()
        return SHARED if calls == 1 else ANSWERED

    shared = SharedContact(find)
    asking = [asyncio.create_task(shared.state()) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    gate.set()
    assert [await one for one in asking[1:]] == [SHARED, SHARED] and calls == 1
    assert await shared.state() is ANSWERED


async def test_an_answer_counts_for_a_while(monkeypatch: Any) -> None:
    calls: list[int] = []

    async def find() -> ContactState:
        calls.append(1)
        return ANSWERED

    monkeypatch.setattr(contact, "AGE_SECONDS", 3600.0)
    shared = SharedContact(find)
    assert [await shared.state() for _ in range(3)] == [ANSWERED] * 3
    assert len(calls) == 1


async def test_a_gateway_that_cannot_find_out_is_cut_off() -> None:
    assert await SharedContact(in_doubt).state() is ContactState.CUT_OFF
