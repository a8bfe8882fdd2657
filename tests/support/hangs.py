"""A bound that finds a hang: a search or an expression whose time explodes with its input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_hang(most: float = 5) -> Iterator[None]:
    """``most`` are seconds of the processor, several times what is needed: no measure of speed,
    ``bench/`` has those.
    """
    began = time.process_time()
    yield
    assert time.process_time() - began < most
