"""Which old runs are removed in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from fyke.kit.clock import ManualClock
from fyke.timers.retention import BATCH, DAY_MS, RetentionTimer

pytestmark = pytest.mark.anyio
T = TypeVar("T")


@dataclass
class Old:
    """A state with runs and queue items, with the time of each end; 0 = has not ended."""

    now: int = ManualClock().now_ms()
    ended_runs: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> Old:
        return self

    @property
    def queue(self) -> Old:
        return self

    def finished_before(self, before: int, limit: int) -> list[str]:
        return _ended_before(self.ended_runs, before)[:limit]

    def remove_ended(self, before: int, limit: int) -> int:
        old = _ended_before(self.items, before)[:limit]
        for item in old:
            del self.items[item]
        return len(old)

    async def read(self, work: Callable[[Any], T]) -> T:
        return work(self)

    write = read


class RemovedRuns:
    """Removes a run of ``old``, like the service of runs."""

    def __init__(self, old: Old) -> None:
        self._old = old

    async def remove(self, run_id: str) -> None:
        del self._old.ended_runs[run_id]


def _ended_before(ended: dict[str, int], before: int) -> list[str]:
    return [name for name, at in sorted(ended.items(), key=lambda pair: pair[1]) if 0 < at < before]


def timer(old: Old, days: int) -> RetentionTimer:
    return RetentionTimer(old, RemovedRuns(old), days)  # type: ignore[arg-type]  # only what it uses


async def test_runs_and_queue_items_older_than_the_kept_days_are_removed() -> None:
    old = Old()
    line = old.now - 30 * DAY_MS
    old.ended_runs = {"old": line - 1, "young": line, "going": 0}
    old.items = {"released": line - 1, "activated yesterday": old.now - DAY_MS, "waiting": 0}
    await timer(old, 30).tick()
    assert set(old.ended_runs) == {"young", "going"}
    assert set(old.items) == {"activated yesterday", "waiting"}


async def test_one_pass_removes_one_batch() -> None:
    old = Old()
    old.ended_runs = {str(n): n + 1 for n in range(BATCH + 1)}
    old.items = {str(n): n + 1 for n in range(BATCH + 2)}
    retention = timer(old, 1)
    await retention.tick()
    assert (set(old.ended_runs), set(old.items)) == ({"100"}, {"100", "101"})
    await retention.tick()
    assert (old.ended_runs, old.items) == ({}, {})
