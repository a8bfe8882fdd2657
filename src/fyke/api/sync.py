"""Waiting for the end of a run, for starts that answer with its result.

The run continues even if the client disconnects.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from starlette.requests import Request

from fyke.api.call import Call
from fyke.api.presence import first_of
from fyke.contracts.inline import NotInline
from fyke.domain.results.service import RowPage, RunResults
from fyke.domain.runs.service import Runs
from fyke.domain.services import InlineServices
from fyke.model.run import Run

MAX_INLINE_ROWS = 100  # on a page that is read in the event loop


async def wait_until_ended(
    runs: Runs, run: Run, seconds: float, request: Request, inline: InlineServices | None = None
) -> Run:
    """``run`` after it has ended, after ``seconds``, or when the client disconnects. Its state is
    read ``inline`` where that is possible.
    """
    waiting = asyncio.create_task(_ended(runs, run.id, seconds, inline))
    ended = await first_of(waiting, request.scope, request.receive)
    return waiting.result() if ended else run


async def _ended(runs: Runs, run_id: str, seconds: float, inline: InlineServices | None) -> Run:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    if inline is not None:
        with contextlib.suppress(NotInline):
            return await inline.runs.wait_ended(run_id, seconds)
    return await runs.wait_ended(run_id, until - loop.time())


@dataclass(frozen=True, slots=True)
class SyncAnswers:
    """Waits for runs, at most ``wait_seconds``, and reads a page of their rows.

    The answer needs about seven short reads. Handing each to a thread takes most of the time
    between the end of the run and the answer, so they are done in the event loop where possible.
    """

    runs: Runs
    results: RunResults
    inline: InlineServices | None
    wait_seconds: float

    async def of(self, call: Call, run: Run, index: int, size: int) -> tuple[Run, RowPage]:
        """The run as it is after the wait, and the page with this number, from 1."""
        latest = await wait_until_ended(
            self.runs, run, self.wait_seconds, call.request, self.inline
        )
        if self.inline is not None and size <= MAX_INLINE_ROWS:
            with contextlib.suppress(NotInline):
                return latest, await self.inline.results.page(call.caller, run.id, index, size)
        return latest, await self.results.page(call.caller, run.id, index, size)
