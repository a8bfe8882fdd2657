"""What the settings allow to the browsers of a runner."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fyke.app import runner_browsers
from fyke.app.runner_browsers import cache_bytes, default_places, limits_of
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


@pytest.mark.parametrize(
    ("cache_mb", "tmp_mb", "expected"), [(32, 256, 32), (0, 256, 0), (64, 100, 25)]
)
def test_the_cache_of_a_run_leaves_most_of_the_space_free(
    tmp_path: Path, cache_mb: int, tmp_mb: int, expected: int
) -> None:
    settings = Settings(home=tmp_path, browser_cache_mb=cache_mb, browser_tmp_mb=tmp_mb)
    assert cache_bytes(settings) == expected * 2**20


class Browsers:
    """Their check has these results, one after the other; ``known`` is what was known before."""

    def __init__(self, *results: bool) -> None:
        self.results = list(results)
        self.checked, self.wanted = asyncio.Event(), asyncio.Event()
        self.found = asyncio.Event()
        self.known: list[bool] = []

    async def find(self) -> None:
        self.found.set()

    async def prepare(self) -> bool:
        self.known.append(self.checked.is_set())
        return self.results.pop(0)

    async def check(self, quiet: float | None = None) -> None:
        browsers: Any = self
        await runner_browsers._check(browsers, self.checked, self.wanted, quiet)


@pytest.mark.anyio
async def test_a_check_that_failed_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_browsers, "FIRST_DELAY", 0.0)
    browsers = Browsers(False, False, True)
    browsers.wanted.set()
    await browsers.check()
    assert browsers.known == [False, False, False]  # connections wait for the next try
    assert browsers.checked.is_set()


@pytest.mark.anyio
async def test_connections_do_not_wait_for_a_check_that_is_far_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_browsers, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(runner_browsers, "FIRST_DELAY", 0.001)
    browsers = Browsers(False, True)
    browsers.wanted.set()
    checking = asyncio.create_task(browsers.check())
    await browsers.checked.wait()
    assert browsers.results == [True]
    await checking
    assert browsers.known == [False, False]
    assert browsers.checked.is_set()


@pytest.mark.anyio
async def test_the_first_connection_that_wants_a_browser_lets_the_check_begin() -> None:
    browsers = Browsers(True)
    checking = asyncio.create_task(browsers.check())
    await browsers.found.wait()
    await asyncio.sleep(0)
    assert browsers.known == []
    browsers.wanted.set()
    await checking
    assert browsers.known == [False]


@pytest.mark.anyio
async def test_a_browser_that_is_not_wanted_is_checked_later() -> None:
    browsers = Browsers(True)
    await browsers.check(quiet=0.0)
    assert browsers.checked.is_set()
