"""When the timer finds out that a gateway is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fyke.contracts.signals import NODES
from fyke.timers import gateway
from fyke.timers.gateway import LOOK_SECONDS, GatewayTimer

pytestmark = pytest.mark.anyio


class Installation:
    """Its storage and signals. ``answers``: whether a gateway is needed, for each look."""

    def __init__(self, *answers: bool) -> None:
        self.answers = [*answers]
        self.waits: list[tuple[frozenset[str], float]] = []
        self.is_listening = False
        self.needed = asyncio.Event()

    async def read(self, work: Callable[[Any], bool]) -> bool:
        assert self.is_listening  # or a signal during the look would be lost
        return work(self)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Installation]:
        self.is_listening = True
        yield self
        self.is_listening = False

    async def wait(self, topics: frozenset[str], seconds: float) -> str | None:
        self.waits.append((topics, seconds))
        return None


@pytest.mark.parametrize("looks", [1, 3])
async def test_it_looks_until_a_gateway_is_needed(
    monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    monkeypatch.setattr(gateway, "needs_gateway", lambda tx: tx.answers.pop(0))
    there: Any = Installation(*[False] * (looks - 1), True)
    ticking = asyncio.create_task(GatewayTimer(there, there, there.needed.set).tick())
    await there.needed.wait()
    assert there.waits == [(frozenset({NODES}), LOOK_SECONDS)] * (looks - 1)
    assert there.answers == [] and not there.is_listening
    assert not ticking.done()
    ticking.cancel()
