"""Seeded runs and keys, and applications with and without the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.app import App, open_app
from support.both_paths import BothPaths
from support.hot_reads import (
    Seeded,
    paths_of,
    seed_keys,
    seed_runs,
)


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Seeded]:
    """For tests that change nothing; opened as ``common_app`` is."""
    stack = AsyncExitStack()

    async def opened() -> Seeded:
        folder = tmp_path_factory.mktemp("common")
        app = await stack.enter_async_context(open_app(folder, templates))
        return Seeded(app, await seed_runs(app), await seed_keys(app))

    with ThreadPoolExecutor(1) as thread:
        runner = thread.submit(asyncio.Runner).result()
        yield thread.submit(runner.run, opened()).result()
        thread.submit(runner.run, stack.aclose()).result()
        thread.submit(runner.close).result()


@pytest.fixture
async def seeded(app: App) -> Seeded:
    return Seeded(app, await seed_runs(app), await seed_keys(app))


@pytest.fixture
def both(common: Seeded) -> BothPaths:
    return paths_of(common)


@pytest.fixture
def fresh(seeded: Seeded) -> BothPaths:
    return paths_of(seeded)
