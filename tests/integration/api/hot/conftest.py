"""Seeded runs and keys, and applications with and without the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fyke.storage.deadlines import Deadline
from support.app import App, open_app
from support.both_paths import BothPaths
from support.hot_reads import (
    Seeded,
    paths_of,
    seed_keys,
    seed_runs,
)
from support.postgres import Databases
from support.revisions import revisions_of


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine PostgreSQL may need more than a second."""
    monkeypatch.setattr("fyke.api.hot.runs.READ_SECONDS", 60)
    monkeypatch.setattr("fyke.storage.sql.state.run_revisions.REVISION", Deadline(60, 60))


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Seeded]:
    """For tests that change nothing; opened as ``common_app`` is."""
    with _seeded(tmp_path_factory.mktemp("common"), templates) as seeded:
        yield seeded


@pytest.fixture(scope="module")
def common_on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, templates: Path, postgres_states: Databases
) -> Iterator[Seeded]:
    with postgres_states.one() as url:
        folder = tmp_path_factory.mktemp("common")
        with _seeded(folder, templates, state_url=url) as seeded:
            yield seeded


@contextmanager
def _seeded(folder: Path, templates: Path, **options: Any) -> Iterator[Seeded]:
    stack = AsyncExitStack()

    async def opened() -> Seeded:
        app = await stack.enter_async_context(open_app(folder, templates, **options))
        return Seeded(app, await seed_runs(app), await seed_keys(app))

    with ThreadPoolExecutor(1) as thread:
        runner = thread.submit(asyncio.Runner).result()
        yield thread.submit(runner.run, opened()).result()
        thread.submit(runner.run, stack.aclose()).result()
        thread.submit(runner.close).result()


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest) -> Seeded:
    """``common`` on each database."""
    names = {"sqlite": "common", "postgresql": "common_on_postgresql"}
    seeded: Seeded = request.getfixturevalue(names[request.param])
    return seeded


@pytest.fixture
async def paths(stored: Seeded) -> AsyncIterator[BothPaths]:
    if stored.app.services.inline is not None:
        yield paths_of(stored)
        return
    url = stored.app.storage.engine.url.render_as_string(hide_password=False)
    async with revisions_of(url) as revisions:
        yield paths_of(stored, revisions)


@pytest.fixture
async def seeded(app: App) -> Seeded:
    return Seeded(app, await seed_runs(app), await seed_keys(app))


@pytest.fixture
def both(common: Seeded) -> BothPaths:
    return paths_of(common)


@pytest.fixture
def fresh(seeded: Seeded) -> BothPaths:
    return paths_of(seeded)
