"""A process without chance: its clock moves only by hand, its random numbers are always the same.

Two processes that do the same then show the same: ids, times, ages and the order of records. Only
for processes that show sample data, because nothing in them is secret.
"""

import functools
import os
import random
import threading
import time

START_MS = 1_794_819_600_000  # 2026-11-16 09:00 UTC, a Monday


class FixedTime:
    """The wall clock of this process. Durations and limits keep the machine's monotonic clock."""

    def __init__(self, now_ms=START_MS):
        self.now_ms = now_ms

    def install(self):
        time.time_ns = lambda: self.now_ms * 1_000_000
        time.time = lambda: self.now_ms / 1000

    def advance_before(self, owner, names, by_ms):
        """Let each call of these asynchronous methods of a class move the clock."""
        for name in names:
            setattr(owner, name, self._later(getattr(owner, name), by_ms))

    def _later(self, method, by_ms):
        @functools.wraps(method)
        async def call(*arguments, **options):
            self.now_ms += by_ms
            return await method(*arguments, **options)

        return call


def fix_randomness(seed=1):
    """Replace the random numbers of this process by the same ones each time."""
    source, lock = random.Random(seed), threading.Lock()  # noqa: S311 - not secret, see above

    def urandom(count):
        with lock:
            return source.randbytes(count)

    os.urandom = urandom
    random._urandom = urandom  # the copy that SystemRandom, and so the module secrets, uses
    random.seed(seed)
