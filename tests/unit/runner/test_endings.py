"""What ends an attempt: the first request, and a sandbox that hangs."""

from __future__ import annotations

import asyncio

import pytest

from fyke.contracts.execution import SandboxFault
from fyke.model.run import End, Outcome
from fyke.runner import endings as ends
from fyke.runner.endings import StartRefused, Stop, in_time

pytestmark = pytest.mark.anyio


async def test_a_sandbox_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "SANDBOX_SECONDS", 0.01)
    with pytest.raises(SandboxFault, match=r"starting the sandbox took longer than 0\.01 s"):
        await in_time("starting the sandbox", asyncio.Event().wait())


async def test_the_first_reason_counts() -> None:
    stop = Stop()
    stop.ask(End(Outcome.TIMEOUT, "too long"))
    stop.ask(End(Outcome.ABORTED, "asked for"))
    await stop.asked()
    assert stop.end == End(Outcome.TIMEOUT, "too long")


async def test_work_without_a_reader_is_given_up() -> None:
    stop = Stop()
    given_up = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    waiting = asyncio.create_task(stop.unless(work()))
    await asyncio.sleep(0)
    stop.ask(End(Outcome.ABORTED, "asked for"))
    with pytest.raises(StartRefused) as caught:
        await waiting
    assert caught.value.end == End(Outcome.ABORTED, "asked for")
    assert given_up.is_set()


async def test_work_that_is_not_stopped_is_waited_for() -> None:
    async def work() -> int:
        return 7

    assert await Stop().unless(work()) == 7
