"""What every test may use."""

from __future__ import annotations

import pytest

# What waits longest goes first, so that no process is left with it at the end.
ORDER = ("tests/e2e/", "tests/integration/", "tests/contract/", "tests/unit/")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.nodeid))


def _place(test: str) -> int:
    return next((place for place, folder in enumerate(ORDER) if test.startswith(folder)), 0)
