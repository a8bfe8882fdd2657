"""An outbox with a clock of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.storage.sql.state.schema import migrate
from support.callbacks import Post, open_post


@pytest.fixture(scope="session")
def outbox_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("outbox") / "state.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
async def post(outbox_template: Path, tmp_path: Path) -> AsyncIterator[Post]:
    file = shutil.copy(outbox_template, tmp_path / "state.db")
    async with open_post(f"sqlite:///{file}") as post:
        yield post
