"""The table of the security page answers every requirement and names tests that exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "internals" / "security.md"
REQUIREMENTS = ROOT / "tests" / "data" / "asvs-5.0.0-level-2.txt"
VERDICTS = {"met", "partly", "not met", "not applicable"}
_ROW = re.compile(r"\| ([\d., ]+) \| ([^|]+) \| ([^|]+) \|([^|]*)\|")
_TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.M)

Row = tuple[list[str], str, str, list[str]]


def rows(text: str) -> list[Row]:
    """Requirements, verdict, reason and tests of each line."""
    return [
        (numbers.split(", "), verdict, why.strip(), re.findall(r"`(test_\w+)`", tests))
        for numbers, verdict, why, tests in _ROW.findall(text)
    ]


@cache
def existing_tests() -> frozenset[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    return frozenset(name for file in files for name in _TEST.findall(file.read_text("utf-8")))


def test_every_requirement_of_level_2_is_answered_once() -> None:
    answered = [number for numbers, *_ in rows(PAGE.read_text("utf-8")) for number in numbers]
    assert sorted(answered) == sorted(REQUIREMENTS.read_text().split())


def test_every_line_has_a_verdict_a_reason_and_its_tests() -> None:
    for numbers, verdict, why, tests in rows(PAGE.read_text("utf-8")):
        assert verdict in VERDICTS, numbers
        assert why, numbers
        assert bool(tests) is (verdict in ("met", "partly")), numbers


@pytest.mark.parametrize("row", rows(PAGE.read_text("utf-8")), ids=lambda row: row[0][0])
def test_named_tests_exist(row: Row) -> None:
    assert [name for name in row[3] if name not in existing_tests()] == []
