"""The registry of attempts, where it meets failure."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress.dialer import Dialer
from fyke.egress.proxy import Proxy
from fyke.kit.addresses import AddressRules
from support.egress import ATTEMPT, SECRET, listener, port_of, socks

pytestmark = pytest.mark.anyio


async def test_a_listener_that_cannot_be_served_opens_nothing() -> None:
    proxy = Proxy(AddressRules(), {})
    good, dead = listener(), listener()
    dead.close()
    with pytest.raises((OSError, ValueError)):
        await proxy.open([good, dead], EgressGrant(ATTEMPT, SECRET, ""), lambda: None)
    assert proxy.traffic(ATTEMPT) == Traffic() and not proxy.tripped(ATTEMPT)
    await proxy.open([listener()], EgressGrant(ATTEMPT, SECRET, ""), lambda: None)
    await proxy.stop()
    assert proxy.close(ATTEMPT, final=True) == Traffic()


async def test_a_fault_of_ours_is_logged_and_ends_one_link_only(
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


async def test_closing_while_a_dial_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
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
    asking = asyncio.create_task(socks(port_of(sock), "public.example", 80))
    await dialing.wait()
    proxy.close(ATTEMPT, final=True)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asking
    await asyncio.wait_for(cancelled.wait(), 5)
    await proxy.stop()
