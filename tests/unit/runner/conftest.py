"""The rows and log lines of attempts."""

from __future__ import annotations

import pytest

from support.blocking_results import BlockableResults


@pytest.fixture
def results() -> BlockableResults:
    return BlockableResults()
