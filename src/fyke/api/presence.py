"""Waiting for a result while the client is connected and the server runs.

A waiting request uses a connection and a coroutine, but no thread. The wait ends with the result,
when the client disconnects, or when the server stops.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.types import Receive, Scope

# Key in the ASGI scope of an event that the protocol sets when the server stops.
CLOSING = "fyke.closing"


async def first_of(work: asyncio.Task[Any], scope: Scope, receive: Receive) -> bool:
    """Wait until ``work`` is done; cancel it when the client disconnects or the server stops.
    Return whether it is done.

    Cancelling this call also cancels ``work``. The request body must have been read.
    """
    tasks = [work, asyncio.create_task(_disconnected(receive))]
    closing = scope.get(CLOSING)
    if isinstance(closing, asyncio.Event):
        tasks.append(asyncio.create_task(_wait_set(closing)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        for task in tasks:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _wait_set(event: asyncio.Event) -> None:
    await event.wait()
