"""The limits on requests to a host."""

from __future__ import annotations

import asyncio

import pytest

from fyke.notify.host_limiter import HostRateLimiter

pytestmark = pytest.mark.anyio

HOST = ("a.example", 443)


async def test_a_request_beyond_the_limit_waits_for_a_slot() -> None:
    limiter = HostRateLimiter(in_flight=2, per_second=1e6)
    finish = asyncio.Event()
    entered: list[int] = []

    async def send(number: int) -> None:
        async with limiter.enter([HOST], 5):
            entered.append(number)
            await finish.wait()

    tasks = [asyncio.create_task(send(number)) for number in range(3)]
    await asyncio.sleep(0.02)
    assert entered == [0, 1]
    with pytest.raises(TimeoutError):
        async with limiter.enter([HOST], 0.01):
            pass
    finish.set()
    await asyncio.gather(*tasks)
    assert entered == [0, 1, 2]


async def test_names_with_the_same_address_share_its_limit() -> None:
    limiter = HostRateLimiter(in_flight=1, per_second=1e6)
    async with limiter.enter([("a.example", 80), ("192.0.2.7", 80)], 1):
        with pytest.raises(TimeoutError):
            async with limiter.enter([("b.example", 80), ("192.0.2.7", 80)], 0.01):
                pass
        async with limiter.enter([("b.example", 81), ("192.0.2.7", 81)], 0.5):
            entered = True
    assert entered


@pytest.mark.slow
async def test_idle_hosts_are_removed() -> None:
    limiter = HostRateLimiter(per_second=1e6)
    async with limiter.enter([HOST, HOST], 1):
        assert len(limiter._slots) == 1
    async with asyncio.timeout(5):
        while limiter._slots:
            await asyncio.sleep(0.05)
    assert limiter._slots == {}
