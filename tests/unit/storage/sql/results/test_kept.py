"""How many rows of hidden attempts are shown, and when they are counted anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.storage.sql.results import kept
from fyke.storage.sql.results.kept import KeptRowCounts
from unit.storage.sql.results.test_excluded import A, B, C, Stored, opened

D = 4


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    with opened(tmp_path) as stored:
        for number in (A, B, C, D):
            stored.attempt(number)
        yield stored


class Searches:
    """The statements whose cost grows with the run."""

    def __init__(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        search = stored.driver.search

        def noted(sql: str, params: Any = ()) -> list[Any]:
            self.count += 1
            return search(sql, params)

        monkeypatch.setattr(stored.driver, "search", noted)


@pytest.fixture
def searches(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> Searches:
    return Searches(stored, monkeypatch)


def test_rows_of_one_hidden_attempt_are_not_searched(stored: Stored, searches: Searches) -> None:
    for position in range(1, 9):
        stored.row(position, A, B, size=position)
    assert stored.kept("a") == (8, 36)
    assert stored.kept("b") == (0, 0), "it has stored none of them"
    assert stored.kept("ad") == (8, 36), "the other one has no row in common"
    assert searches.count == 0


def test_rows_that_only_hidden_attempts_have_are_searched_once(
    stored: Stored, searches: Searches
) -> None:
    stored.row(1, A, B, size=1)
    stored.row(2, A, C, size=20)
    rows = KeptRowCounts()
    for _ in range(2):
        assert stored.kept("ab", rows) == (1, 20)
    assert searches.count == 1
    stored.row(3, C, D)  # a visible attempt has upserted a row
    for _ in range(2):
        assert stored.kept("ab", rows) == (1, 20)
    assert searches.count == 2


# with none that may be remembered, the last read finds none, and needs no second statement
@pytest.mark.parametrize(("most", "count"), [(0, 5), (2, 3)])
def test_a_visible_attempt_may_upsert_a_hidden_row(
    stored: Stored, searches: Searches, monkeypatch: pytest.MonkeyPatch, most: int, count: int
) -> None:
    """Rows of which few are hidden are looked at again, and all are counted anew otherwise."""
    monkeypatch.setattr(kept, "MAX_REMEMBERED", most)
    stored.row(1, A, B, size=1)
    stored.row(2, A, B, size=20)
    rows = KeptRowCounts()
    assert stored.kept("ab", rows) == (0, 0)
    stored.share(1, C)
    for _ in range(2):
        assert stored.kept("ab", rows) == (1, 1)
    stored.share(2, C)
    assert stored.kept("ab", rows) == (2, 21)
    assert searches.count == count


def test_what_a_hidden_attempt_still_writes_is_counted(stored: Stored) -> None:
    """One that the state does not know."""
    stored.row(1, A, B, size=1)
    rows = KeptRowCounts()
    assert stored.kept("ab", rows) == (0, 0)
    stored.row(2, A, B, size=20)
    stored.row(3, A, C, size=300)
    assert stored.kept("ab", rows) == (1, 300)


def test_few_runs_are_remembered(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_ENTRIES", 2)
    stored.row(1, A, B, C, D)
    rows = KeptRowCounts()
    assert [stored.kept(hidden, rows) for hidden in ("ab", "ac", "ad")] == [(1, 10)] * 3
    assert len(rows._entries) == 2
