"""Which browsers start with a copy of the HTTP cache that an earlier one of their run has left.

Runs of several subtasks have such a cache, those of one subtask have none. It is dropped when the
run ends, or when no attempt of the run has been here for a while: other runners may have the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fyke.contracts.execution import SandboxFault

KEEP_SECONDS = 60.0  # without an attempt of the run
LEAST_BYTES = 64 * 1024  # a cache with less is not worth a browser that is not a waiting one
TRIES = 3  # browsers in a row that left less, after which no other one is to leave a cache


@dataclass(slots=True)
class _RunCache:
    attempts: int = 0  # that are here
    size: int = 0  # bytes that are saved, as far as is known
    awaited: set[str] = field(default_factory=set)  # running browsers that are to leave one
    named: bool = False  # a browser may have saved something under the run's name
    tries: int = 0  # browsers in a row that left too little
    dropping: asyncio.TimerHandle | None = None


class RunCaches:
    """The caches of the runs that have attempts on a runner. ``limit`` is the most bytes of each; 0
    switches them off. ``drop`` removes one.
    """

    def __init__(self, limit: int, drop: Callable[[str], Awaitable[None]]) -> None:
        self.limit = limit
        self._drop_saved = drop
        self._runs: dict[str, _RunCache] = {}
        self._drops: set[asyncio.Task[None]] = set()

    def begin(self, run_id: str, subtasks: int) -> None:
        """An attempt of a run with so many subtasks begins here."""
        if subtasks < 2 or not self.limit:
            return
        cache = self._runs.setdefault(run_id, _RunCache())
        cache.attempts += 1
        if cache.dropping is not None:
            cache.dropping.cancel()
            cache.dropping = None

    def end(self, run_id: str, *, is_over: bool) -> None:
        """An attempt has ended and its browsers are removed; ``is_over``: so has the run."""
        cache = self._runs.get(run_id)
        if cache is None:
            return
        cache.attempts -= 1
        if cache.attempts > 0:
            return
        delay = 0.0 if is_over else KEEP_SECONDS
        cache.dropping = asyncio.get_running_loop().call_later(delay, self._drop, run_id)

    def take(self, run_id: str, browser: str) -> str:
        """The name of the cache for a new browser of the run, which ``left`` gives back; "" when it
        gets none. One browser is to leave one. Until there is one, others have no name, so that
        they can be waiting ones, which start faster.
        """
        cache = self._runs.get(run_id)
        if cache is None or cache.awaited or cache.tries >= TRIES:
            return ""
        if cache.size < LEAST_BYTES:
            cache.awaited.add(browser)
        cache.named = True
        return f"RUN-{run_id}"

    def started_with(self, run_id: str, browser: str, size: int) -> None:
        """A browser with a name has started with this many bytes. What was saved may have been
        removed to make room: then it is to leave others.
        """
        if (cache := self._runs.get(run_id)) is not None:
            cache.size = size
            if size < LEAST_BYTES:
                cache.awaited.add(browser)
            else:
                cache.awaited.clear()

    def left(self, run_id: str, browser: str, size: int | None) -> None:
        """A browser with a name has ended, and this many bytes are saved now. None: it has failed,
        and nothing was to be saved. After ``TRIES`` that left too little, others have no name: one
        may have opened no page.
        """
        if (cache := self._runs.get(run_id)) is None:
            return
        cache.awaited.discard(browser)
        if size is None:
            return
        cache.size = size
        if size < LEAST_BYTES:
            cache.tries += 1
        else:
            cache.tries = 0
            cache.awaited.clear()

    def _drop(self, run_id: str) -> None:
        cache = self._runs.pop(run_id)
        if cache.named:  # also after a save that the runner did not wait for
            task = asyncio.create_task(self._drop_later(f"RUN-{run_id}"))
            self._drops.add(task)
            task.add_done_callback(self._drops.discard)

    async def _drop_later(self, name: str) -> None:
        with contextlib.suppress(SandboxFault):  # then it has ended with the launcher
            await self._drop_saved(name)
