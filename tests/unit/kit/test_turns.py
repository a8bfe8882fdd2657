"""Accounts take turns, and one that asks for too many is refused."""

from __future__ import annotations

import asyncio

import pytest

from fyke.kit.turns import Turns

pytestmark = pytest.mark.anyio


async def test_an_account_has_one_turn_and_may_wait_for_a_few() -> None:
    turns = Turns(2, 2, TimeoutError)
    async with turns.turn("a"):
        waiting = asyncio.ensure_future(turns.turn("a").__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with turns.turn("a"):
                pass
        async with turns.turn("b"):
            assert not waiting.done(), "there is a slot, but not for this account"
    await waiting


async def test_a_wait_that_is_given_up_counts_no_more() -> None:
    turns = Turns(1, 2, TimeoutError)
    async with turns.turn("a"):
        waiting = asyncio.ensure_future(turns.turn("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with turns.turn("a"):
        assert turns._asked == {"a": 1}
    assert not turns._asked
