"""Fixtures of the console with real services, and of a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.app import App, open_app
from support.browser import chromium
from support.pages import Visitor, stranger, visitor


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        yield app


@pytest.fixture
async def owner(app: App) -> AsyncIterator[Visitor]:
    """The owner of the operator's account, signed in."""
    async with visitor(app) as someone:
        yield someone


@pytest.fixture
async def guest(app: App) -> AsyncIterator[Visitor]:
    async with stranger(app) as someone:
        yield someone


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    with chromium() as found:
        asyncio._set_running_loop(None)
        yield found
        asyncio._set_running_loop(found._loop)


@pytest.fixture(scope="module")
def browser(one_browser: Browser) -> Iterator[Browser]:
    """One browser for all modules. While a module uses it, no other event loop may run in this
    thread: the module must not have ``async`` tests, and ``support/served.py`` runs the services in
    another thread.
    """
    asyncio._set_running_loop(one_browser._loop)
    yield one_browser
    asyncio._set_running_loop(None)
