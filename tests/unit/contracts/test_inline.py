"""Reads that do not suspend."""

from __future__ import annotations

import asyncio

import pytest

from fyke.contracts.inline import NotInline, at_once


async def read(seconds: float | None) -> str:
    if seconds is not None:
        await asyncio.sleep(seconds)
    return "read"


def test_a_read_that_does_not_suspend_is_done_at_once() -> None:
    assert at_once(read(None)) == "read"


def test_a_read_that_suspends_is_ended() -> None:
    reading = read(0)
    with pytest.raises(NotInline):
        at_once(reading)
    assert reading.cr_frame is None
