"""A house with a living runner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.storage.sql.state.schema import migrate
from support.house import House, make_templates, open_house
from support.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_templates(tmp_path_factory.mktemp("databases"))


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
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        migrate(url)
    async with open_house(tmp_path, templates, state_url=url) as house:
        await house.beat()
        yield house
