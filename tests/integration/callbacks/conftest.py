"""Prepared databases for tests of callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.kit.addresses import AddressRules
from fyke.notify.http import HttpNotifier
from support.prepared import state_in


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return state_in(tmp_path)


@pytest.fixture
def http() -> Iterator[HttpNotifier]:
    notifier = HttpNotifier(AddressRules(["127.0.0.0/8"]))
    yield notifier
    notifier.close()
