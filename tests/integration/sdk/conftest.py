from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.sdk_server import Platform, platform


@pytest.fixture
def fyke() -> Iterator[Platform]:
    with platform() as made:
        yield made
