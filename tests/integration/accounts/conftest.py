"""The services of accounts and sign-in over a real SQLite database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.auth import Auth, open_auth
from support.prepared import state_in


@pytest.fixture
async def auth(tmp_path: Path) -> AsyncIterator[Auth]:
    async with open_auth(state_in(tmp_path)) as auth:
        yield auth
