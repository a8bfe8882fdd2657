"""How records of the journal are divided into transactions, and what happens to those that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fyke.errors import Unavailable
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow
from fyke.storage.sql.results import moving
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.moving import MOVE_BYTES, MOVE_RECORDS, move_part, part_length


def records(*sizes: int) -> list[JournalRecord]:
    """One row of each size."""
    return [
        JournalRecord(number, AttemptBatch("r", "a", [PushedRow(b"0" * size)]))
        for number, size in enumerate(sizes, 1)
    ]


def test_a_transaction_has_a_limited_number_of_records() -> None:
    assert part_length([1] * (MOVE_RECORDS + 1)) == MOVE_RECORDS


def test_a_transaction_ends_after_the_record_that_exceeds_its_bytes() -> None:
    assert part_length([MOVE_BYTES, 1, 1]) == 2
    assert part_length([MOVE_BYTES + 1, 1]) == 1


class Tables:
    """Stores records, except those with one of the ``refused`` numbers and a row."""

    def __init__(self, *refused: int, error: Exception) -> None:
        self.stored: list[int] = []
        self.lines: list[str] = []
        self.refuses_lines = False
        self._refused, self._error = refused, error

    def do(self, work: Callable[[Any], list[bool]]) -> list[bool]:
        stored = work(None)
        self.stored += stored
        return [True] * len(stored)

    def move(self, _: Any, records: list[JournalRecord]) -> list[int]:
        for record in records:
            if record.number in self._refused and record.batch.rows:
                raise self._error
            if self.refuses_lines and record.batch.log:
                raise self._error
            self.lines += [entry.content for entry in record.batch.log]
        return [record.number for record in records]


def test_a_record_that_fails_is_kept_and_those_beside_it_are_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables, kept = Tables(2, error=ValueError("too large")), []
    monkeypatch.setattr(moving.write, "move", tables.move)
    answers = move_part(tables.do, records(1, 1, 1), kept.append)
    assert (tables.stored, kept, len(answers)) == ([1, 2, 3], [1], 3)
    assert tables.lines == [
        "SYSTEM: The database refused 1 of the pushed rows; the log of Fyke says why."
    ]


@pytest.mark.parametrize(
    ("rows", "headers", "lines", "lost"),
    [
        (2, [], 0, "2 of the pushed rows and the declared columns"),
        (0, None, 3, "3 of the log lines"),
        (1, [], 1, "1 of the pushed rows, the declared columns and 1 of the log lines"),
    ],
)
def test_the_log_of_the_run_names_all_that_is_lost(
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    headers: list[Header] | None,
    lines: int,
    lost: str,
) -> None:
    said: list[str] = []

    def refuse(_: Any, records: list[JournalRecord]) -> list[int]:
        [record] = records
        if record.batch is whole:
            raise ValueError("no")
        said.extend(entry.content for entry in record.batch.log)
        return [record.number]

    entries = [NewLogEntry(LogType.INFO, "7", "text", 1)] * lines
    whole = AttemptBatch("r", "a", [PushedRow(b"1")] * rows, headers, entries)
    monkeypatch.setattr(moving.write, "move", refuse)
    tables = Tables(error=ValueError())
    assert move_part(tables.do, [JournalRecord(1, whole)], lambda _: None) == [False]
    assert said == [f"SYSTEM: The database refused {lost}; the log of Fyke says why."]


def test_a_record_whose_loss_cannot_be_logged_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables, kept = Tables(2, error=ValueError("too large")), []
    tables.refuses_lines = True
    monkeypatch.setattr(moving.write, "move", tables.move)
    move_part(tables.do, records(1, 1, 1), kept.append)
    assert (tables.stored, kept, tables.lines) == ([1, 2, 3], [1], [])


def test_without_room_nothing_is_kept_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    tables, kept = Tables(2, error=Unavailable("full")), []
    monkeypatch.setattr(moving.write, "move", tables.move)
    with pytest.raises(Unavailable):
        move_part(tables.do, records(1, 1, 1), kept.append)
    assert (tables.stored, kept) == ([], [])
