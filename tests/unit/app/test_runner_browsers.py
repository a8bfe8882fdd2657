"""What the settings allow to the browsers of a runner."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fyke.app import runner_browsers
from fyke.app.runner_browsers import default_places, limits_of
from fyke.contracts.browser import BrowserLimits
from fyke.settings import Settings


@pytest.mark.parametrize(
    ("cpus", "memory_mb", "places"),
    [(2, 4096, 6), (2, 3276, 5), (8, 4096, 6), (0.5, 4096, 1), (4, 512, 1), (0.1, 100, 1)],
)
def test_places_are_three_for_each_core_as_far_as_there_is_memory(
    cpus: float, memory_mb: int, places: int
) -> None:
    assert default_places(cpus, memory_mb) == places


def test_the_limits_of_a_browser_are_those_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        browser_cpus=0.5,
        browser_memory_mb=2048,
        browser_processes=300,
        browser_tmp_mb=64,
    )
    expected = BrowserLimits(0.5, 2048 * 2**20, 300, tmp_size=64 * 2**20)
    assert limits_of(settings) == expected


@pytest.mark.anyio
async def test_a_check_that_failed_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_browsers, "FIRST_DELAY", 0.0)
    results = [False, False, True]
    checked = asyncio.Event()
    known: list[bool] = []

    class Browsers:
        async def prepare(self) -> bool:
            known.append(checked.is_set())
            return results.pop(0)

    await runner_browsers._check(Browsers(), checked)  # type: ignore[arg-type]
    assert known == [False, True, True]  # set after the first
    assert results == []
