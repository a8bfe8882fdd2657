"""The share of a runner, beside others of its pool."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.runs.spread import share, with_room
from fyke.model.runner import RunnerInfo, RunnerLoad


@pytest.mark.parametrize(
    ("waiting", "own", "others", "expected"),
    [
        (24, 0, [], 24),
        (24, 0, [0, 0], 8),
        (25, 0, [0, 0], 9),
        (16, 0, [8, 0], 8),
        (2, 0, [20], 11),  # all
        (2, 20, [0], 1),
        (1, 0, [0, 0, 0], 1),
    ],
)
def test_shares_make_runners_equally_busy(
    waiting: int, own: int, others: list[int], expected: int
) -> None:
    loads = [RunnerLoad(f"r{number}", attempts=count) for number, count in enumerate(others)]
    assert share(waiting, own, loads) == expected


def test_only_runners_with_room_for_the_need_count() -> None:
    runner = RunnerInfo("r1", "n", "full", "", 2, 2048, 0, browsers=1, browser_share=0.5)
    need = RunnerLoad("", 1, 512, attempts=1)
    with_browser = replace(need, browsers=1, browser_cpus=1, browser_memory_mb=512)
    loads = {"r1": RunnerLoad("r1", 1, 1024, browsers=1, attempts=1)}
    assert with_room([runner], {}, with_browser) == [RunnerLoad("r1")]
    assert with_room([runner], loads, need) == [loads["r1"]]
    assert with_room([runner], loads, with_browser) == []  # its place is taken
    assert with_room([runner], loads, replace(need, cpus=1.1)) == []
    assert with_room([runner], loads, replace(need, memory_mb=1025)) == []
