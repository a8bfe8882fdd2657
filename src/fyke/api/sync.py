"""Waiting for the end of a run, for a client who wants its result in the answer to the start.

The wait only watches: whether the client stays, leaves or is cut off by a proxy changes nothing
for the run.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import Request

from fyke.domain.runs.model import Run
from fyke.domain.runs.service import Runs


async def watched(runs: Runs, run: Run, seconds: float, request: Request) -> Run:
    """``run`` as it is when it has ended, after ``seconds``, or when the client has gone."""
    watching = asyncio.create_task(runs.wait_ended(run.id, seconds))
    await _first_of(watching, request)
    return watching.result() if watching.done() and not watching.cancelled() else run


async def _first_of(watching: asyncio.Task[Run], request: Request) -> None:
    """Return when the run has ended, the time is over, or nobody waits for the answer any more."""
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({watching, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (watching, leaving):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
