"""Waiting on behalf of a client: for no longer than the client stays, and the server does.

A request that waits holds a connection and a coroutine, never a thread. It ends when what it waits
for is there, when the client has gone, or when the server is asked to stop; then it answers with
what is known.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.types import Receive, Scope

# Where the protocol leaves an event in the scope that is set when the server is asked to stop.
CLOSING = "fyke.closing"


async def first_of(work: asyncio.Task[Any], scope: Scope, receive: Receive) -> bool:
    """Return whether ``work`` is done; if not, the client has gone and it was cancelled.

    Also cancels ``work`` when it is cancelled itself. The body must have been read.
    """
    watching = [work, asyncio.create_task(_left(receive))]
    closing = scope.get(CLOSING)
    if isinstance(closing, asyncio.Event):
        watching.append(asyncio.create_task(_set(closing)))
    try:
        await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        for task in watching:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _set(event: asyncio.Event) -> None:
    await event.wait()
