"""Requests to end an attempt, and a time limit for the steps of the sandbox."""

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


class EndRequest:
    """A request to end an attempt. The first reason counts."""

    def __init__(self) -> None:
        self.end: End | None = None
        self._requested = asyncio.Event()

    def request(self, end: End) -> None:
        if self.end is None:
            self.end = end
            self._requested.set()

    async def wait(self) -> None:
        """Return when the end is requested."""
        await self._requested.wait()

    async def run_until_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work``; cancel it and raise ``StartRefused`` when the end is requested first."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self.wait())
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


async def together(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Await all of them at the same time. When one fails, the others are cancelled and have ended
    when its error is raised.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def in_time(step: str, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``; raise ``SandboxFault`` after a time limit, since a hanging launcher would
    block a run and its capacity.
    """
    try:
        async with asyncio.timeout(SANDBOX_SECONDS):
            return await work
    except TimeoutError:
        raise SandboxFault(f"{step} took longer than {SANDBOX_SECONDS:g} s") from None
