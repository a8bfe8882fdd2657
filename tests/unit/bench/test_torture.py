"""The order of the faults, and what the command accepts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

import torture
from reliability.kinds import KINDS
from reliability.records import Records, Round


def made(records: Records, kind: str, database: str, number: int) -> None:
    done = Round(
        ["all"] * number,
        runs=1,
        rows=1,
        ended=0,
        sealed=0,
        deleted=0,
        seconds=1,
        seed="",
        violations=[],
    )
    records.add("abc", kind, database, done, "2026-11-28")


def test_the_next_fault_is_the_one_furthest_from_its_aim(tmp_path: Path) -> None:
    records = Records(tmp_path / "reliability.toml")
    chosen = [(KINDS["kill"], "sqlite"), (KINDS["outage"], "postgres")]
    following = torture.order(records, chosen)
    seen = []
    for number in (100, 5, 300, 8, 700, 7):
        kind, database = next(following)
        seen.append(kind.name)
        made(records, kind.name, database, number)
    assert seen == ["kill", "outage", "kill", "outage", "kill", "outage"]
    assert list(following) == []


def test_without_a_fault_that_is_possible_nothing_is_done(tmp_path: Path) -> None:
    assert list(torture.order(Records(tmp_path / "reliability.toml"), [])) == []


def test_a_kind_on_a_database_that_it_has_no_aim_for_is_left_out() -> None:
    assert torture.possible(["silent", "disk"], []) == []
    assert torture.possible(["silent"], ["sqlite"]) == []
    [(kind, database)] = torture.possible(["pause"], ["sqlite"])
    assert (kind.name, database) == ("pause", "sqlite")


def test_an_unknown_kind_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        torture.options_of(["--kinds", "kill,storm"])
    error = capsys.readouterr().err
    assert "unknown kinds: storm" in error
    assert "kill, freeze" in error


def test_all_kinds_are_chosen_by_default() -> None:
    assert torture.options_of([]).kinds == list(KINDS)
