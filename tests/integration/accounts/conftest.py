"""Services around sign-in over a real SQLite database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.door import Door, open_door
from support.prepared import state_in


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(state_in(tmp_path)) as door:
        yield door
