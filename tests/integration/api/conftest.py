"""The real application over real services, called through ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.api import Api, client, start_body
from support.app import App, open_app


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        yield app


@pytest.fixture
async def api(app: App) -> AsyncIterator[Api]:
    async with client(app.asgi()) as http:
        yield Api(http, app.owner_key)


@pytest.fixture
async def run_slug(app: App, api: Api) -> str:
    """A run of two subtasks, waiting."""
    worker = await app.publish()
    data = await api.ok("/api/v1/scraper/run", start_body(worker.id))
    return str(data["run_slug"])
