"""Which rows hidden attempts hide, and how long that may be remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results.drivers import Driver, SqliteDriver
from fyke.storage.sql.results.excluded import Excluded, excluded_of
from fyke.storage.sql.results.kept import SHARING, KeptRowCounts
from fyke.storage.sql.results.tables import LAST_POSITION, key
from support.prepared import rows_in

A, B, C = 1, 2, 3  # attempts a, b and c
RUN = 5
UNREAD = cast(Driver, None)


@dataclass
class Stored:
    """The tables, in which the run has one open attempt with its own id."""

    driver: SqliteDriver

    def attempt(self, number: int, *, rows: int = 1, closed: bool = True, run: int = RUN) -> None:
        self.driver.run(
            "INSERT INTO results_attempts VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0)",
            (number, " abcde   r"[number], run, rows, rows * 10, closed),
        )

    def row(self, position: int, *attempts: int, size: int = 10, run: int = RUN) -> None:
        """A row that these attempts have pushed, in this order."""
        row_id = key(run, position)
        self.driver.run("INSERT INTO results_rows VALUES (?, ?, ?)", (row_id, attempts[0], b"{}"))
        for number in attempts if len(attempts) > 1 else ():
            self.share(position, number, size if number == attempts[0] else None, run=run)

    def share(self, position: int, number: int, size: int | None = None, *, run: int = RUN) -> None:
        """Note that an attempt has upserted a row that several have; ``size``: it has stored it."""
        record = key(run, position), number, size
        self.driver.run("INSERT INTO results_shares VALUES (?, ?, ?)", record)
        self.driver.run(
            "UPDATE results_attempts SET shared_rows = shared_rows + ?,"
            " shared_bytes = shared_bytes + ?, upserted = upserted + ? WHERE number = ?",
            (size is not None, size or 0, size is None, number),
        )

    def kept(self, hidden: str, kept: KeptRowCounts | None = None) -> tuple[int, int]:
        sharing = self.driver.query(SHARING, (f"R{RUN}",))
        return (kept or KeptRowCounts()).count(self.driver, sharing, frozenset(hidden))

    def excluded(self, hidden: str) -> Excluded:
        return excluded_of(self.driver, RUN, frozenset(hidden))

    def visible(self, excluded: Excluded) -> list[int]:
        """The positions of the rows that its condition lets through."""
        found = self.driver.query(
            f"SELECT w.id FROM results_rows w WHERE w.id > ? AND w.id <= ? {excluded.and_visible} "
            "ORDER BY w.id",
            (key(RUN, 0), key(RUN, LAST_POSITION), *excluded.attempts),
        )
        return [row_id - key(RUN, 0) for (row_id,) in found]


@contextmanager
def opened(folder: Path) -> Iterator[Stored]:
    driver = SqliteDriver(make_engine(rows_in(folder), durable=False), writes=True)
    for run in (RUN - 1, RUN, RUN + 1):
        driver.run("INSERT INTO results_runs VALUES (?, ?, 9, 0, 0)", (run, f"R{run}"))
    stored = Stored(driver)
    stored.attempt(9, rows=0, closed=False)
    driver.run("UPDATE results_attempts SET attempt_id = ?", (f"R{RUN}",))
    yield stored
    driver.close()


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    with opened(tmp_path) as stored:
        yield stored


def test_without_hidden_attempts_nothing_is_read() -> None:
    excluded = excluded_of(UNREAD, RUN, frozenset())
    assert not excluded and excluded.and_visible == ""
    assert excluded.kept(UNREAD, key(RUN, 0), key(RUN, LAST_POSITION)) == frozenset()


def test_attempts_that_have_stored_no_row_hide_none(stored: Stored) -> None:
    stored.attempt(A, rows=0)
    stored.attempt(B)
    stored.attempt(C)
    stored.row(1, B, C)
    assert not stored.excluded("a")
    assert not stored.excluded("ae")  # e is of no run


def test_without_shared_rows_each_is_hidden_with_the_attempt_that_stored_it(stored: Stored) -> None:
    for number in (A, B, C):
        stored.attempt(number)
    for position, number in enumerate((A, B, A, C), 1):
        stored.row(position, number)
    assert stored.visible(stored.excluded("a")) == [2, 4]
    assert stored.visible(stored.excluded("ab")) == [4]


def test_an_attempt_of_another_run_hides_none(stored: Stored) -> None:
    stored.attempt(A, run=RUN + 1)
    assert not stored.excluded("a")


def test_what_is_hidden_is_remembered_once_the_hidden_attempts_are_closed(stored: Stored) -> None:
    stored.attempt(A)
    stored.attempt(B, closed=False)
    stored.attempt(C, rows=0, closed=False)
    assert stored.excluded("a") == Excluded((A,), cache_key=(RUN, A))  # b may push what it likes
    assert stored.excluded("ab") == Excluded((A, B))
    assert stored.excluded("ac") == Excluded((A,), cache_key=(RUN, A))  # no rows are no reason


def test_with_shared_rows_any_open_attempt_may_change_what_is_hidden(stored: Stored) -> None:
    stored.attempt(A)
    stored.attempt(B)
    stored.row(1, A, B)
    closed = stored.excluded("a")
    assert closed.shared and closed.cache_key is not None
    stored.attempt(C, rows=0, closed=False)
    assert stored.excluded("a") == Excluded((A,), shared=True)


def test_what_was_remembered_is_not_used_after_another_attempt(stored: Stored) -> None:
    """It may have upserted hidden rows, and may have been closed before the next read."""
    stored.attempt(A)
    stored.attempt(B)
    stored.row(1, A)
    keys = [stored.excluded("a").cache_key]
    stored.row(2, A, B)
    keys.append(stored.excluded("a").cache_key)
    stored.attempt(C, rows=0)
    keys.append(stored.excluded("a").cache_key)
    assert None not in keys and len(set(keys)) == 3


def test_a_shared_row_needs_all_its_attempts_even_those_without_rows(stored: Stored) -> None:
    stored.attempt(A)
    stored.attempt(B, rows=0)
    stored.row(1, A, B)
    stored.row(2, A)
    assert stored.excluded("ab").attempts == (A, B)
    assert stored.visible(stored.excluded("ab")) == []
    assert stored.visible(stored.excluded("a")) == [1]


@pytest.mark.parametrize(("run", "position"), [(RUN - 1, LAST_POSITION), (RUN + 1, 1)])
def test_shared_rows_of_the_runs_beside_it_do_not_count(
    stored: Stored, run: int, position: int
) -> None:
    stored.attempt(A)
    stored.row(1, A)
    stored.row(position, B, C, run=run)
    assert not stored.excluded("a").shared
    assert stored.kept("a") == (0, 0)


@pytest.mark.parametrize("position", [1, LAST_POSITION])
def test_one_shared_row_counts_wherever_it_is(stored: Stored, position: int) -> None:
    stored.attempt(A)
    stored.attempt(B)
    stored.row(position, A, B)
    assert stored.excluded("a").shared
    assert stored.kept("a") == (1, 10)
    assert stored.kept("ab") == (0, 0)


def test_rows_are_kept_in_a_range_without_its_begin(stored: Stored) -> None:
    for number in (A, B, C):
        stored.attempt(number)
    for position, attempts in enumerate([(A, C), (A, B), (A, C), (B, A, C), (A,), (C, A)], 1):
        stored.row(position, *attempts)
    excluded = stored.excluded("ab")
    assert excluded.kept(stored.driver, key(RUN, 1), key(RUN, 6)) == {3, 4, 6}
    assert excluded.kept(stored.driver, key(RUN, 0), key(RUN, 3)) == {1, 3}


def test_only_rows_that_a_hidden_attempt_has_stored_are_counted(stored: Stored) -> None:
    """Others count with the attempt that has stored them. Bytes are counted once."""
    for number in (A, B, C):
        stored.attempt(number)
    stored.row(1, A, B, C, size=100)  # two of its attempts are visible
    stored.row(2, B, A, size=20)  # stored by a visible one
    stored.row(3, A, C, size=3)
    stored.row(4, A, size=4)
    assert stored.kept("a") == (2, 103)
    assert stored.kept("ab") == (2, 103)
    assert stored.kept("ac") == (1, 100)
    assert stored.kept("abc") == (0, 0)


def test_a_run_may_be_deleted_between_two_reads(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.attempt(A)
    stored.attempt(B)
    stored.row(1, A, B)
    search = stored.driver.search

    def after_the_deletion(sql: str, params: Any = ()) -> list[Any]:
        stored.driver.run("DELETE FROM results_attempts")
        return search(sql, params)

    monkeypatch.setattr(stored.driver, "search", after_the_deletion)
    assert stored.excluded("a") == Excluded((A,), shared=True)
