"""The pool of processes: limits, turns, and what is left afterwards."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.contracts.parsing import ParserLimits
from fyke.errors import RateLimited, TooComplex
from fyke.parsing.pools import MAX_WAITING, ProcessPool

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ENDLESS = range(10**14)
SHORT = ParserLimits(cpu_seconds=1, seconds=60)


@pytest.fixture
async def processes() -> AsyncIterator[ProcessPool]:
    pool = ProcessPool()
    yield pool
    await pool.close()


async def test_a_process_is_used_again(processes: ProcessPool) -> None:
    pids = {await processes.run(account, os.getpid) for account in ("a", "a", "b")}
    assert len(pids) == 1 and os.getpid() not in pids


async def test_processor_time_and_memory_are_limited(processes: ProcessPool) -> None:
    first = await processes.run("a", os.getpid)
    with pytest.raises(TooComplex):
        await processes.run("a", bytes, 2**33)
    assert await processes.run("a", os.getpid) == first
    started = time.process_time()
    with pytest.raises(TooComplex):
        await processes.run("a", sum, ENDLESS, limits=SHORT)
    assert time.process_time() - started < 0.5  # none of it was spent here
    assert await processes.run("a", os.getpid) != first


async def test_a_process_that_crashes_is_replaced(processes: ProcessPool) -> None:
    with pytest.raises(TooComplex):
        await processes.run("a", os.abort)
    assert await processes.run("a", len, "abc") == 3


@pytest.mark.parametrize("error", [ConnectionError("of a database"), TimeoutError()])
async def test_an_error_while_an_item_is_handled_is_not_one_of_the_parser(
    processes: ProcessPool, tmp_path: Path, error: Exception
) -> None:
    async def fail(item: object) -> None:
        raise error

    with pytest.raises(type(error)):
        await processes.run_steps("a", os.walk, tmp_path, on_item=fail)
    assert await processes.run("a", len, "abc") == 3


async def test_a_call_of_one_account_does_not_delay_another(processes: ProcessPool) -> None:
    endless = [
        asyncio.create_task(processes.run("a", sum, ENDLESS, limits=ParserLimits(60, 60)))
        for _ in range(3)
    ]
    assert await processes.run("b", len, "abc") == 3
    assert not any(task.done() for task in endless)
    for task in endless:
        task.cancel()
    await asyncio.gather(*endless, return_exceptions=True)
    assert await processes.run("a", len, "abc") == 3


async def test_the_waiting_calls_of_an_account_are_limited(processes: ProcessPool) -> None:
    calls = [asyncio.create_task(processes.run("a", len, "abc")) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await processes.run("a", len, "abc")
    assert await processes.run("b", len, "abc") == 3
    assert await asyncio.gather(*calls) == [3] * MAX_WAITING
    assert await processes.run("a", len, "abc") == 3


async def test_idle_processes_are_ended() -> None:
    pool = ProcessPool(idle_seconds=0)
    pid = await pool.run("a", os.getpid)
    ended = os.pidfd_open(pid)
    readable = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(ended, lambda: readable.done() or readable.set_result(1))
    await asyncio.wait_for(readable, 30)
    asyncio.get_running_loop().remove_reader(ended)
    os.close(ended)
    assert await pool.run("a", os.getpid) != pid
    await pool.close()


async def test_closing_ends_calls(processes: ProcessPool) -> None:
    await processes.run("a", len, "abc")
    call = asyncio.create_task(processes.run("a", sum, ENDLESS))
    await asyncio.sleep(0)
    await processes.close()
    with pytest.raises(TooComplex):
        await call
