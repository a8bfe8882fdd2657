"""Services around sign-in over a real SQLite database."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.storage.sql.state.schema import migrate
from support.door import Door, open_door


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("state") / "state.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
async def door(tmp_path: Path, empty_state: Path) -> AsyncIterator[Door]:
    file = shutil.copy(empty_state, tmp_path / "state.db")
    async with open_door(f"sqlite:///{file}") as door:
        yield door
