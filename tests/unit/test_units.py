"""The division of the longest test files for ``script/test``."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.units import PARTS, unit_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("test", "unit"),
    [
        (
            "tests/e2e/test_many_machines.py::test_the_end_to_end_suite_passes_on_three_machines",
            "tests/e2e/test_many_machines.py test_the_end_to_end_suite",
        ),
        ("tests/e2e/test_many_machines.py::test_a", "tests/e2e/test_many_machines.py"),
        ("tests/e2e/test_torture.py::test_a[kill-sqlite]", "tests/e2e/test_torture.py sqlite"),
        ("tests/e2e/test_two_servers.py::test_a[part 3]", "tests/e2e/test_two_servers.py part 3"),
        ("tests/e2e/test_two_servers.py::test_b", "tests/e2e/test_two_servers.py"),
        ("tests/e2e/test_zoo.py::test_a[go-spins]", "tests/e2e/test_zoo.py go"),
        ("tests/e2e/test_zoo.py::test_c[upserts]", "tests/e2e/test_zoo.py"),
        ("tests/e2e/test_cli.py::test_a[go-spins]", "tests/e2e/test_cli.py"),
    ],
)
def test_a_unit_is_a_file_or_a_part_of_it(test: str, unit: str) -> None:
    assert unit_of(test) == unit


def test_every_divided_file_exists() -> None:
    assert [file for file in PARTS if not (ROOT / file).exists()] == []
