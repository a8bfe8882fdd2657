"""Prepared databases for trials of callbacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.kit.addresses import AddressRules
from fyke.notify.http import HttpNotifier
from fyke.storage.sql.state.schema import migrate


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("callbacks") / "state.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(template, tmp_path / 'state.db')}"


@pytest.fixture
def http() -> Iterator[HttpNotifier]:
    notifier = HttpNotifier(AddressRules(["127.0.0.0/8"]))
    yield notifier
    notifier.close()
