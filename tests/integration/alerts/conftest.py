"""An app with a healthy runner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.app import App, open_app


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        await app.register_runner()
        yield app


@pytest.fixture(params=["sqlite", "postgresql"])
async def each_app(
    request: pytest.FixtureRequest, tmp_path: Path, templates: Path
) -> AsyncIterator[App]:
    """The same app on each database."""
    url = request.getfixturevalue("postgres_state_url") if request.param == "postgresql" else ""
    async with open_app(tmp_path, templates, state_url=url) as app:
        await app.register_runner()
        yield app
