"""An outbox with a clock of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.callbacks import Post, open_post
from support.prepared import state_in


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with open_post(state_in(tmp_path)) as post:
        yield post
