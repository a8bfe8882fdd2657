"""A thread pool that counts the work it has ended."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CountedExecutor(ThreadPoolExecutor):
    """``count`` rises with each call that has returned or raised, whether or not it was awaited."""

    _ended = 0

    def count(self) -> int:
        return self._ended

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(self._run, fn, *args, **kwargs)

    def _run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return fn(*args, **kwargs)
        finally:
            self._ended += 1  # two threads at once may count one, but never none
