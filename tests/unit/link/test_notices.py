"""Notices as signals: each topic once, in their order, for every listener."""

from __future__ import annotations

import asyncio

import pytest

from fyke.contracts.signals import PREPARE, SITES, STOP, WORK
from fyke.link.notices import NodeNotices
from fyke.wire.nodes import AttemptsStopped, PreparationWaits, SitesChanged, WorkWaits

pytestmark = pytest.mark.anyio
ALL = frozenset({WORK, STOP, PREPARE})


async def test_a_topic_counts_once_and_others_are_kept() -> None:
    notices = NodeNotices()
    notices.receive(WorkWaits())
    async with notices.listen() as one, notices.listen() as other:
        assert await one.wait(ALL, 0) is None  # it was before
        for notice in (WorkWaits(), AttemptsStopped(), WorkWaits()):
            notices.receive(notice)
        assert await one.wait(frozenset({STOP}), 0) == STOP
        assert await one.wait(ALL, 0) == WORK
        assert await one.wait(ALL, 0) is None
        assert [await other.wait(ALL, 0) for _ in range(3)] == [WORK, STOP, None]


async def test_news_of_sites_is_passed_on() -> None:
    notices = NodeNotices()
    async with notices.listen() as listener:
        notices.receive(SitesChanged())
        assert await listener.wait(frozenset({SITES}), 0) == SITES


async def test_those_that_wait_are_woken() -> None:
    notices = NodeNotices()
    async with notices.listen() as listener:
        waiting = [
            asyncio.create_task(listener.wait(frozenset({topic}), 10)) for topic in (PREPARE, STOP)
        ]
        await asyncio.sleep(0)
        notices.receive(PreparationWaits())
        assert await waiting[0] == PREPARE
        assert not waiting[1].done()
        notices.receive(AttemptsStopped())
        assert await waiting[1] == STOP
        assert await listener.wait(ALL, 0.01) is None


async def test_a_connection_signals_all_that_may_have_been_missed() -> None:
    notices = NodeNotices()
    async with notices.listen() as listener:
        notices.connected()
        assert {await listener.wait(ALL, 0) for _ in ALL} == ALL
    assert not notices._listeners
