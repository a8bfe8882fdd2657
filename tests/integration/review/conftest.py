"""A house in which versions of others than the operator wait for a review."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path, templates: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, templates, review=True) as house:
        yield house
