"""Waiting for the end of a run, for starts that answer with its result.

The run continues even if the client disconnects.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from fyke.api.presence import first_of
from fyke.domain.runs.service import Runs
from fyke.model.run import Run


async def wait_until_ended(runs: Runs, run: Run, seconds: float, request: Request) -> Run:
    """``run`` after it has ended, after ``seconds``, or when the client disconnects."""
    waiting = asyncio.create_task(runs.wait_ended(run.id, seconds))
    ended = await first_of(waiting, request.scope, request.receive)
    return waiting.result() if ended else run
