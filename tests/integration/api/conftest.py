"""The real application over real services, called through ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.api import Api, client, start_body
from support.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path, templates: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, templates) as house:
        yield house


@pytest.fixture
async def api(house: House) -> AsyncIterator[Api]:
    async with client(house.app()) as http:
        yield Api(http, house.owner_key)


@pytest.fixture
async def run_slug(house: House, api: Api) -> str:
    """A run of two subtasks, waiting."""
    worker = await house.publish()
    data = await api.ok("/api/v1/scraper/run", start_body(worker.id))
    return str(data["run_slug"])
