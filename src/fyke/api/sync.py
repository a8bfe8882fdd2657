"""Waiting for the end of a run, for a client who wants its result in the answer to the start.

The wait only watches: whether the client stays, leaves or is cut off by a proxy changes nothing
for the run.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from fyke.api.presence import first_of
from fyke.domain.runs.service import Runs
from fyke.model.run import Run


async def watched(runs: Runs, run: Run, seconds: float, request: Request) -> Run:
    """``run`` as it is when it has ended, after ``seconds``, or when the client has gone."""
    watching = asyncio.create_task(runs.wait_ended(run.id, seconds))
    ended = await first_of(watching, request.scope, request.receive)
    return watching.result() if ended else run
