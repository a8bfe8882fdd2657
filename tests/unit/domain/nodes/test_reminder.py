"""Reminders of a runner to lease again."""

from __future__ import annotations

import asyncio

import pytest

from fyke.contracts.signals import PREPARE, STOP, WORK
from fyke.domain.nodes.reminder import LeaseReminder
from support.given_signals import GivenSignals

pytestmark = pytest.mark.anyio
BOTH = frozenset({WORK, STOP})


async def test_a_runner_that_already_waits_is_woken() -> None:
    reminder, signals = LeaseReminder(), GivenSignals()
    async with reminder.listen(signals) as listener:
        waiting = asyncio.create_task(listener.wait(BOTH, 60))
        await asyncio.sleep(0)
        reminder.remind(1)
        reminder.remind(60_000)  # the earlier one counts
        assert await waiting == WORK
        assert await listener.wait(BOTH, 0.01) is None  # once


async def test_an_earlier_reminder_replaces_a_later_one() -> None:
    reminder, signals = LeaseReminder(), GivenSignals()
    async with reminder.listen(signals) as listener:
        reminder.remind(60_000)
        reminder.remind(1)
        assert await listener.wait(BOTH, 60) == WORK


async def test_signals_arrive_as_before() -> None:
    reminder, signals = LeaseReminder(), GivenSignals()
    async with reminder.listen(signals) as listener:
        signals.notify(STOP)
        assert await listener.wait(BOTH, 60) == STOP
        reminder.remind(1)
        signals.notify(PREPARE)
        assert await listener.wait(frozenset({PREPARE}), 60) == PREPARE
