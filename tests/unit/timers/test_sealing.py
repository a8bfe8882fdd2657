"""Which ended runs are sealed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from fyke.errors import Unavailable
from fyke.kit.clock import ManualClock
from fyke.timers.sealing import BATCH, DAY_MS, SealTimer

pytestmark = pytest.mark.anyio
T = TypeVar("T")
AFTER = 300  # seconds


@dataclass
class Stores:
    """A state with the time of the end of each run, and rows that note what is to be sealed."""

    now: int = ManualClock().now_ms()
    ended: list[tuple[int, str]] = field(default_factory=list)
    passes: list[list[str]] = field(default_factory=list)
    failing: bool = False

    @property
    def runs(self) -> Stores:
        return self

    def finished_after(self, last: tuple[int, str], before: int, limit: int) -> list[Any]:
        return sorted(end for end in self.ended if end > last and end[0] < before)[:limit]

    async def read(self, work: Callable[[Any], T]) -> T:
        return work(self)

    async def seal_runs(self, run_ids: Sequence[str], at_least: int) -> None:
        if self.failing and run_ids:
            raise Unavailable("The disk is full")
        self.passes.append([*run_ids, str(at_least)])


def timer(stores: Stores, rows: int = 7) -> SealTimer:
    return SealTimer(stores, stores, rows, AFTER)  # type: ignore[arg-type]  # only what it uses


async def test_each_run_is_looked_at_once_some_time_after_its_end() -> None:
    stores = Stores()
    line = stores.now - AFTER * 1000
    stores.ended = [(line - 1, "b"), (line - 1, "a"), (line, "young")]
    sealing = timer(stores)
    await sealing.tick()
    await sealing.tick()
    assert stores.passes == [["7"], ["a", "b", "7"], ["7"]]
    stores.now += 1
    await sealing.tick()
    assert stores.passes[3:] == [["7"], ["young", "7"]]


async def test_a_pass_goes_through_all_batches_and_continues_after_a_failure() -> None:
    stores = Stores(failing=True)
    stores.ended = [(n, "x") for n in range(1, BATCH + 3)]
    sealing = timer(stores)
    with pytest.raises(Unavailable):
        await sealing.tick()
    stores.failing = False
    await sealing.tick()
    assert [len(ids) - 1 for ids in stores.passes] == [0, 0, BATCH, 2]


async def test_without_a_size_only_interrupted_work_is_finished() -> None:
    stores = Stores(ended=[(1, "old")])
    await timer(stores, 0).tick()
    assert stores.passes == [["0"]]


async def test_runs_that_were_not_ready_are_looked_at_again_after_a_day() -> None:
    stores = Stores(ended=[(1, "old")])
    sealing = timer(stores)
    await sealing.tick()
    stores.now += DAY_MS + 1
    await sealing.tick()
    assert stores.passes == [["7"], ["old", "7"]] * 2


async def test_new_runs_are_sealed_although_an_interrupted_one_fails() -> None:
    class Failing(Stores):
        async def seal_runs(self, run_ids: Sequence[str], at_least: int) -> None:
            await super().seal_runs(run_ids, at_least)
            if not run_ids:
                raise Unavailable("The file cannot be written")

    stores = Failing(ended=[(1, "old")])
    with pytest.raises(Unavailable):
        await timer(stores).tick()
    assert stores.passes == [["7"], ["old", "7"]]


@pytest.mark.parametrize(("after", "seconds"), [(1, 1), (600, 60)])
def test_passes_are_as_frequent_as_runs_become_ready(after: int, seconds: float) -> None:
    stores = Stores()
    assert SealTimer(stores, stores, 7, after).seconds == seconds  # type: ignore[arg-type]
