"""A thread pool that counts the work it has done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CountedExecutor(ThreadPoolExecutor):
    """``progress`` has how many calls have returned and how many have raised, whether or not they
    were awaited.
    """

    _returned = 0
    _raised = 0

    def progress(self) -> tuple[int, int]:
        return self._returned, self._raised

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(self._run, fn, *args, **kwargs)

    def _run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            value = fn(*args, **kwargs)
        except BaseException:
            self._raised += 1  # two concurrent increments may count only one, but at least one
            raise
        self._returned += 1
        return value
