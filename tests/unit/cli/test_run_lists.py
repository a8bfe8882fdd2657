from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fyke.cli.run_lists import runs_between


@pytest.mark.parametrize(
    ("first", "count", "total", "requests", "more"),
    [
        (0, 20, 0, [(1, 20)], False),
        (20, 20, 25, [(2, 20)], False),
        (0, 20, 21, [(1, 20)], True),
        (0, 1000, 450, [(1, 200), (2, 200), (3, 200)], False),
        (300, 300, 700, [(2, 200), (3, 200)], True),
        (300, 300, 600, [(2, 200), (3, 200)], False),
        (500, 250, 751, [(3, 200), (4, 200)], True),
    ],
)
def test_runs_are_requested_in_pages(
    first: int, count: int, total: int, requests: list[tuple[int, int]], more: bool
) -> None:
    calls: list[tuple[int, int]] = []

    def search(*, page_index: int, page_size: int) -> Any:
        calls.append((page_index, page_size))
        last = page_index * page_size
        numbers = range(last - page_size, min(last, total))
        return SimpleNamespace(items=list(numbers), next_cursor="more" if last < total else "")

    runs, has_more = runs_between(search, first, count)
    assert calls == requests
    assert runs == list(range(first, min(first + count, total)))
    assert has_more is more
