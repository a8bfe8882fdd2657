"""The proxy of a machine in cases of failure."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress.attempt_proxy import AttemptProxy
from fyke.egress.dialer import Dialer
from fyke.egress.limits import ProxyLimits
from fyke.egress.proxy import Proxy
from fyke.kit.addresses import AddressRules
from support.egress import ATTEMPT, SECRET, listener, port_of, socks

pytestmark = pytest.mark.anyio


async def test_an_attempt_with_a_listener_that_cannot_be_served_is_not_opened() -> None:
    proxy = Proxy(AddressRules(), {})
    good, closed = listener(), listener()
    closed.close()
    with pytest.raises((OSError, ValueError)):
        await proxy.open([good, closed], EgressGrant(ATTEMPT, SECRET, ""), lambda: None)
    assert proxy.traffic(ATTEMPT) == Traffic() and not proxy.tripped(ATTEMPT)
    await proxy.open([listener()], EgressGrant(ATTEMPT, SECRET, ""), lambda: None)
    await proxy.stop()
    assert proxy.close(ATTEMPT, final=True) == Traffic()


async def test_an_unexpected_error_is_logged_and_ends_one_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Dialer, "connect", broken)
    proxy = Proxy(AddressRules(), {})
    sock = listener()
    await proxy.open([sock], EgressGrant(ATTEMPT, SECRET, ""), lambda: None)
    with caplog.at_level(logging.ERROR):
        code, _, writer = await socks(port_of(sock), "public.example", 80)
    assert code == 4
    assert "could not be dialled" in caplog.text
    writer.close()
    await proxy.stop()


async def test_closing_an_attempt_cancels_its_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    dialing, cancelled = asyncio.Event(), asyncio.Event()

    async def endless(*_: object) -> None:
        dialing.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    monkeypatch.setattr(Dialer, "connect", endless)
    proxy = Proxy(AddressRules(), {})
    sock = listener()
    await proxy.open([sock], EgressGrant(ATTEMPT, SECRET, ""), lambda: None)
    client = asyncio.create_task(socks(port_of(sock), "public.example", 80))
    await dialing.wait()
    proxy.close(ATTEMPT, final=True)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client
    await asyncio.wait_for(cancelled.wait(), 5)
    await proxy.stop()


async def test_nothing_is_kept_of_a_closed_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counters are shared memory with a descriptor."""
    swept: asyncio.Queue[weakref.ref[AttemptProxy]] = asyncio.Queue()
    monkeypatch.setattr(
        AttemptProxy, "sweep", lambda attempt, _: swept.put_nowait(weakref.ref(attempt))
    )
    proxy = Proxy(AddressRules(), {}, limits=ProxyLimits(idle_seconds=0.01))
    await proxy.open([listener()], EgressGrant(ATTEMPT, SECRET, ""), lambda: None)
    kept = await swept.get()
    proxy.close(ATTEMPT, final=True)
    gc.collect()
    assert kept() is None
    await proxy.stop()
