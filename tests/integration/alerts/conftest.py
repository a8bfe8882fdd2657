"""A house with a living runner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path, templates: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, templates) as house:
        await house.beat()
        yield house


@pytest.fixture(params=["sqlite", "postgresql"])
async def either(
    request: pytest.FixtureRequest, tmp_path: Path, templates: Path
) -> AsyncIterator[House]:
    """The same over each database."""
    url = request.getfixturevalue("postgres_state_url") if request.param == "postgresql" else ""
    async with open_house(tmp_path, templates, state_url=url) as house:
        await house.beat()
        yield house
