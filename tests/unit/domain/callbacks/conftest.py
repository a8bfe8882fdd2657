"""An outbox with a clock of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.callbacks import Outbox, open_outbox
from support.prepared import state_in


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with open_outbox(state_in(tmp_path)) as outbox:
        yield outbox
