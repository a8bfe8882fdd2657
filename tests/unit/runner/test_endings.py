"""What ends an attempt: the first request, and a hanging sandbox."""

from __future__ import annotations

import asyncio

import pytest

from fyke.contracts.execution import SandboxFault
from fyke.model.run import End, Outcome
from fyke.runner import endings as ends
from fyke.runner.endings import EndRequest, StartRefused, in_time, together

pytestmark = pytest.mark.anyio


async def test_a_hanging_sandbox_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "SANDBOX_SECONDS", 0.01)
    with pytest.raises(SandboxFault, match=r"starting the sandbox took longer than 0\.01 s"):
        await in_time("starting the sandbox", asyncio.Event().wait())


async def test_the_first_reason_counts() -> None:
    stop = EndRequest()
    stop.request(End(Outcome.TIMEOUT, "too long"))
    stop.request(End(Outcome.ABORTED, "requested"))
    await stop.wait()
    assert stop.end == End(Outcome.TIMEOUT, "too long")


async def test_work_is_cancelled_when_the_end_is_requested() -> None:
    stop = EndRequest()
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    waiting = asyncio.create_task(stop.run_until_stopped(work()))
    await asyncio.sleep(0)
    stop.request(End(Outcome.ABORTED, "requested"))
    with pytest.raises(StartRefused) as caught:
        await waiting
    assert caught.value.end == End(Outcome.ABORTED, "requested")
    assert cancelled.is_set()


async def test_work_that_is_not_stopped_is_waited_for() -> None:
    async def work() -> int:
        return 7

    assert await EndRequest().run_until_stopped(work()) == 7


async def test_work_that_is_done_together_ends_together() -> None:
    async def value(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert await together(value(1), value(2)) == [1, 2]


async def test_the_first_error_cancels_the_others_and_is_raised() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("other")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise SandboxFault("bad")

    with pytest.raises(SandboxFault, match="bad"):
        await together(work(), fail())
    assert ended == ["other"]
