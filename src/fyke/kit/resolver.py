"""Names to addresses: a thread pool around the system's resolver, with a small cache.

The system's resolver blocks, sometimes for many seconds, so it runs in threads of its own and the
waiting is bounded. The cache is short: it avoids repeated look-ups of a busy site and does not
replace the time to live, which the system's call does not return.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fyke.kit.hostports import is_localhost

Lookup = Callable[[str], tuple[str, ...]]
LOOPBACK = ("127.0.0.1", "::1")


class Unresolvable(Exception):
    """The name has no address, or no answer came in time."""


def system_lookup(name: str) -> tuple[str, ...]:
    """Ask the system; blocks. Raise ``OSError``."""
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Resolver:
    """Resolves checked names. One per process; ``close`` it at the end.

    ``lookup`` is called in a thread and may raise ``OSError``; ``keep`` is how long an answer is
    reused in seconds, ``timeout`` how long one question may take.
    """

    def __init__(
        self,
        lookup: Lookup = system_lookup,
        *,
        threads: int = 128,
        keep: float = 20.0,
        keep_failure: float = 2.0,
        timeout: float = 10.0,
        size: int = 2048,
    ) -> None:
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="names")
        self._keep, self._keep_failure, self._timeout, self._size = (
            keep,
            keep_failure,
            timeout,
            size,
        )
        self._cache: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._asking: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    def cached(self, name: str) -> tuple[str, ...] | None:
        """The answer if it is at hand; an empty one is a fresh failure."""
        if is_localhost(name):
            return LOOPBACK  # by definition; a resolver is not asked, and could say otherwise
        entry = self._cache.get(name)
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    async def resolve(self, name: str, slots: asyncio.Semaphore | None = None) -> tuple[str, ...]:
        """Return the addresses, at least one. Raise ``Unresolvable``.

        ``slots`` bounds the open queries of one caller: each keeps a slot until the system has
        answered, even when the caller gave up earlier, since it occupies a thread until then.
        """
        answers = self.cached(name)
        if answers is None:
            try:
                async with asyncio.timeout(self._timeout):
                    question = self._asking.get(name) or await self._ask_in_turn(name, slots)
                    answers = await asyncio.shield(question)
            except TimeoutError as error:
                raise Unresolvable(f"{name}: no answer within {self._timeout:.0f} s") from error
        if not answers:
            raise Unresolvable(f"{name}: no address found")
        return answers

    def close(self) -> None:
        """End the threads without waiting for open look-ups."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _ask_in_turn(
        self, name: str, slots: asyncio.Semaphore | None
    ) -> asyncio.Future[tuple[str, ...]]:
        if slots is None:
            return self._ask(name)
        await slots.acquire()
        question = self._asking.get(name)
        if question is not None:  # another caller has asked meanwhile
            slots.release()
            return question
        question = self._ask(name)
        question.add_done_callback(lambda _: slots.release())
        return question

    def _ask(self, name: str) -> asyncio.Future[tuple[str, ...]]:
        loop = asyncio.get_running_loop()
        question = loop.run_in_executor(self._pool, self._answer, name)
        self._asking[name] = question
        question.add_done_callback(lambda done: self._remember(name, done))
        return question

    def _answer(self, name: str) -> tuple[str, ...]:
        try:
            return tuple(self._lookup(name))
        except (OSError, UnicodeError):
            return ()

    def _remember(self, name: str, question: asyncio.Future[tuple[str, ...]]) -> None:
        self._asking.pop(name, None)
        if question.cancelled() or question.exception() is not None:
            return
        answers = question.result()
        keep = self._keep if answers else self._keep_failure
        if keep > 0:
            self._cache[name] = (time.monotonic() + keep, answers)
            self._cache.move_to_end(name)
        while len(self._cache) > self._size:
            self._cache.popitem(last=False)
