"""Requests that an attempt ends, and the time that the sandbox has for its part."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fyke.contracts.execution import SandboxFault
from fyke.model.run import End

T = TypeVar("T")

SANDBOX_SECONDS = 30.0


class StartRefused(Exception):
    """Ends the preparation with a stated reason."""

    def __init__(self, end: End) -> None:
        super().__init__(end.message)
        self.end = end


class Stop:
    """A request to end an attempt. The first reason is the one that counts."""

    def __init__(self) -> None:
        self.end: End | None = None
        self._asked = asyncio.Event()

    def ask(self, end: End) -> None:
        if self.end is None:
            self.end = end
            self._asked.set()

    async def asked(self) -> None:
        """Return when the end is requested."""
        await self._asked.wait()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for ``work``; raise ``StartRefused`` when the end is requested before."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self.asked())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self.end is not None and not task.done():
                raise StartRefused(self.end)
            return await task
        finally:
            stopped.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def in_time(step: str, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``, but not for ever: a hanging launcher must not block a run and its capacity.
    Raise ``SandboxFault``.
    """
    try:
        async with asyncio.timeout(SANDBOX_SECONDS):
            return await work
    except TimeoutError:
        raise SandboxFault(f"{step} took longer than {SANDBOX_SECONDS:g} s") from None
