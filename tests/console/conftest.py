"""The console over real services, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.browser import chromium
from support.house import House, open_house
from support.pages import Visitor, stranger, visitor


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, templates) as app:
        yield app


@pytest.fixture
async def owner(app: House) -> AsyncIterator[Visitor]:
    """The operator's owner, signed in."""
    async with visitor(app) as someone:
        yield someone


@pytest.fixture
async def guest(app: House) -> AsyncIterator[Visitor]:
    async with stranger(app) as someone:
        yield someone


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """While it is open no other event loop may run in this thread: a module that uses it has no
    ``async`` tests, and lets ``support/served.py`` keep the services in another thread.
    """
    with chromium() as found:
        yield found
