"""Asynchronous name resolution: a thread pool around the system's resolver, with a small cache.

The system's resolver blocks, sometimes for many seconds, so it runs in threads and with a timeout.
It does not return the time to live, so answers are cached only for seconds, enough to avoid
repeated look-ups of a busy site.
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
    """The name has no address, or the look-up timed out."""


class LookupTimeout(Unresolvable):
    """No answer came in time."""


def system_lookup(name: str) -> tuple[str, ...]:
    """Return the addresses of a name, from the system's resolver. Blocks. Raise ``OSError``."""
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Resolver:
    """Resolves names parsed by ``hostports``. One per process; ``close`` it at the end.

    ``lookup`` is called in a thread and may raise ``OSError``. ``keep`` and ``keep_failure`` are
    how many seconds an answer stays in the cache, ``timeout`` is the limit of one look-up in
    seconds, ``size`` the maximum number of cached names.
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
        self._keep = keep
        self._keep_failure = keep_failure
        self._timeout = timeout
        self._size = size
        self._cache: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._pending: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    def cached(self, name: str) -> tuple[str, ...] | None:
        """Return the cached addresses, empty for a recent failure; None when nothing is cached."""
        if is_localhost(name):
            return LOOPBACK  # by definition, without a lookup
        entry = self._cache.get(name)
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    async def resolve(self, name: str, slots: asyncio.Semaphore | None = None) -> tuple[str, ...]:
        """Return the addresses, at least one. Raise ``Unresolvable``.

        ``slots`` bounds the open look-ups of one caller. Each occupies its slot until the system
        has answered, even after a timeout, because it occupies a thread until then.
        """
        answers = self.cached(name)
        if answers is None:
            try:
                async with asyncio.timeout(self._timeout):
                    lookup = self._pending.get(name) or await self._start_in_slot(name, slots)
                    answers = await asyncio.shield(lookup)
            except TimeoutError as error:
                raise LookupTimeout(f"{name}: no answer within {self._timeout:.0f} s") from error
        if not answers:
            raise Unresolvable(f"{name}: no address found")
        return answers

    def close(self) -> None:
        """Shut the threads down without waiting for open look-ups."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _start_in_slot(
        self, name: str, slots: asyncio.Semaphore | None
    ) -> asyncio.Future[tuple[str, ...]]:
        if slots is None:
            return self._start(name)
        await slots.acquire()
        lookup = self._pending.get(name)
        if lookup is not None:  # another caller has started it in the meantime
            slots.release()
            return lookup
        lookup = self._start(name)
        lookup.add_done_callback(lambda _: slots.release())
        return lookup

    def _start(self, name: str) -> asyncio.Future[tuple[str, ...]]:
        loop = asyncio.get_running_loop()
        lookup = loop.run_in_executor(self._pool, self._lookup_or_nothing, name)
        self._pending[name] = lookup
        lookup.add_done_callback(lambda _: self._store(name, lookup))
        return lookup

    def _lookup_or_nothing(self, name: str) -> tuple[str, ...]:
        try:
            return tuple(self._lookup(name))
        except (OSError, UnicodeError):
            return ()

    def _store(self, name: str, lookup: asyncio.Future[tuple[str, ...]]) -> None:
        self._pending.pop(name, None)
        if lookup.cancelled() or lookup.exception() is not None:
            return
        answers = lookup.result()
        keep = self._keep if answers else self._keep_failure
        if keep > 0:
            self._cache[name] = (time.monotonic() + keep, answers)
            self._cache.move_to_end(name)
        while len(self._cache) > self._size:
            self._cache.popitem(last=False)
