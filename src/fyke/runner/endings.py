"""Why an attempt ends, and the wish that it does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from fyke.contracts.execution import SandboxFault
from fyke.model.run import Outcome

T = TypeVar("T")

SANDBOX_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """Why an attempt ended."""

    outcome: Outcome
    message: str = ""


class StartRefused(Exception):
    """Ends the preparation with a stated reason."""

    def __init__(self, end: AttemptEnd) -> None:
        super().__init__(end.message)
        self.end = end


class Stop:
    """Whether somebody wants an attempt to end. The first reason is the one that counts."""

    def __init__(self) -> None:
        self.reason: AttemptEnd | None = None
        self._asked = asyncio.Event()

    def ask(self, outcome: Outcome, message: str) -> None:
        if self.reason is None:
            self.reason = AttemptEnd(outcome, message)
            self._asked.set()

    async def asked(self) -> None:
        """Return once somebody does."""
        await self._asked.wait()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for ``work``; raise ``StartRefused`` when the end is requested before."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self.asked())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self.reason is not None and not task.done():
                raise StartRefused(self.reason)
            return await task
        finally:
            stopped.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def in_time(what: str, work: Coroutine[Any, Any, T]) -> T:
    """A launcher that hangs must not hold a run and its room for ever. Raise ``SandboxFault``."""
    try:
        async with asyncio.timeout(SANDBOX_SECONDS):
            return await work
    except TimeoutError:
        raise SandboxFault(f"{what} took longer than {SANDBOX_SECONDS:g} s") from None
