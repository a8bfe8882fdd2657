"""Old last pages are removed in batches until none is left."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fyke.timers.last_pages import DAY_MS, LastPageTimer

pytestmark = pytest.mark.anyio


class Pages:
    def __init__(self) -> None:
        self.left = [100, 7]
        self.asked: list[int] = []

    async def remove_old(self, keep_ms: int) -> int:
        self.asked.append(keep_ms)
        return self.left.pop(0) if self.left else 0


async def test_a_pass_removes_all_old_pages() -> None:
    pages = Pages()
    await LastPageTimer(cast(Any, pages), 7).tick()
    assert pages.asked == [7 * DAY_MS] * 3
