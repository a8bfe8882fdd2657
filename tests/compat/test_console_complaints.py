"""Every known complaint about other consoles is covered by an existing test.

``console_complaints.toml`` names the tests; the expected number of complaints is stated here, so
that none of them gets lost.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
TABLE: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "console_complaints.toml").read_text(encoding="utf-8")
)["complaint"]
KNOWN = 26


def is_there(named: str) -> bool:
    """Return whether the named test exists in its file."""
    path, _, name = named.partition("::")
    if not (TESTS / path).is_file():
        return False
    module = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return name in {node.name for node in module.body if isinstance(node, kinds)}


def test_every_complaint_is_listed_once() -> None:
    assert len({item["id"] for item in TABLE}) == len(TABLE) == KNOWN
    assert all(item["says"] and item["tests"] for item in TABLE)


def test_every_complaint_is_covered_by_existing_tests() -> None:
    assert [test for item in TABLE for test in item["tests"] if not is_there(test)] == []


def test_a_missing_test_is_detected() -> None:
    here = "compat/test_console_complaints.py"
    assert is_there(f"{here}::test_a_missing_test_is_detected")
    assert not is_there(f"{here}::test_none") and not is_there("no.py::test_a")
