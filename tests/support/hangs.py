"""A time limit that finds a hang: a search or an expression whose time grows with its input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_hang(limit: float = 5) -> Iterator[None]:
    """``limit`` is in seconds of processor time, several times what the block needs: this finds
    hangs and does not measure speed, which ``bench/`` does.
    """
    started = time.process_time()
    yield
    assert time.process_time() - started < limit
