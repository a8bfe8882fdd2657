"""The real application over real services, called through ASGI.

Tests marked ``common_app`` change nothing, so they share one application in each process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.api import Api, client, start_body
from support.app import App, open_app


@pytest.fixture(scope="session")
def common_app(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[App]:
    stack = AsyncExitStack()
    opened = stack.enter_async_context(open_app(tmp_path_factory.mktemp("common"), templates))
    # in a separate thread, because the caller's thread may already run an event loop
    with ThreadPoolExecutor(1) as thread:
        runner = thread.submit(asyncio.Runner).result()
        yield thread.submit(runner.run, opened).result()
        thread.submit(runner.run, stack.aclose()).result()
        thread.submit(runner.close).result()


@pytest.fixture(scope="session")
def common_asgi(common_app: App) -> Any:
    return common_app.asgi(guesses=100_000)


@pytest.fixture
async def app(
    request: pytest.FixtureRequest, tmp_path: Path, templates: Path
) -> AsyncIterator[App]:
    if request.node.get_closest_marker("common_app"):
        yield request.getfixturevalue("common_app")
        return
    async with open_app(tmp_path, templates) as app:
        yield app


@pytest.fixture
async def api(request: pytest.FixtureRequest, app: App) -> AsyncIterator[Api]:
    common = request.node.get_closest_marker("common_app")
    asgi = request.getfixturevalue("common_asgi") if common else app.asgi()
    async with client(asgi) as http:
        yield Api(http, app.owner_key)


@pytest.fixture
async def run_slug(app: App, api: Api) -> str:
    """A run of two subtasks, waiting."""
    worker = await app.publish()
    data = await api.ok("/api/v1/scraper/run", start_body(worker.id))
    return str(data["run_slug"])
