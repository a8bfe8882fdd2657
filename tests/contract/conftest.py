"""Both databases for every suite of a storage contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.postgres import postgres, postgres_url

__all__ = ["database_url", "postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once per dialect."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
