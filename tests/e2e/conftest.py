"""One platform for all tests of a session that do not break it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from support.booted import Booted, booted

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand out users")


@pytest.fixture(scope="session")
def platform() -> Iterator[Booted]:
    """Started as the user who runs the suite; as root that means through the launcher."""
    with booted(work_mb="64", callback_allow="127.0.0.1/32") as running:
        yield running
