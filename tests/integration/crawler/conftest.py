"""The crawler's environment, built once for all processes of a test session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.crawled_site import Site, site
from support.crawler import build
from support.devtools_browser import devtools_browser


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    base = tmp_path_factory.getbasetemp()
    return build((base if worker_id == "master" else base.parent) / "crawler-environments")


@pytest.fixture
def served() -> Iterator[Site]:
    with site() as crawled_site:
        yield crawled_site


@pytest.fixture(scope="module")
def chromium() -> Iterator[str]:
    """The value of BROWSER_WS."""
    with devtools_browser() as address:
        yield address
