"""A time limit that finds a hang: a search or an expression whose time grows with its input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_hang(most: float = 5) -> Iterator[None]:
    """``most`` is in seconds of processor time, several times what is needed. It measures no speed;
    ``bench/`` does.
    """
    started = time.process_time()
    yield
    assert time.process_time() - started < most
