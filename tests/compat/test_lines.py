"""Every known line about clients is covered by an existing test.

``lines.toml`` names the tests; the expected numbers of lines and cells are stated here, so that
none of them gets lost.
"""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (Path(__file__).parent / "lines.toml").read_text(encoding="utf-8")
)
SECTIONS = {
    "1": 14, "2": 9, "3.1": 16, "3.2": 13, "3.3": 2, "4": 14, "5": 17, "6.1": 6, "6.2": 7, "6.3": 6,
}  # fmt: skip
CLIENTS = ("PY", "CLI1", "CLI2", "MCP", "N8N", "v1 samples", "v2 samples")
# Which clients can do it: one mark for each client, in their order.
SCENARIOS = {
    "start async by ULID": "xxxxxxx",
    "start by name": "xxxxxxx",
    "start without version": "xxxxx-x",
    "sync run": "xxxxx--",
    "poll to success": "-xxxxxx",
    "poll to abort": "-xxxxxx",
    "page results": "xxxxxxx",
    "export and download": "-xxxx--",
    "logs": "-xxxx-x",
    "task run": "-xxxx--",
    "callback": "----x--",
    "bad key": "xxxxxxx",
}


@cache
def functions_in(path: str) -> frozenset[str]:
    """The test functions of a module."""
    module = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = [node.name for node in module.body if isinstance(node, kinds)]
    return frozenset(name for name in names if name.startswith("test_"))


def missing(named: list[str]) -> list[str]:
    """The named tests that do not exist."""
    found = []
    for test in named:
        path, _, name = test.partition("::")
        if not (TESTS / path).is_file() or name not in functions_in(path):
            found.append(test)
    return found


def test_every_line_of_every_section_is_listed_once() -> None:
    ids = [line["id"] for line in TABLE["line"]]
    assert len(set(ids)) == len(ids)
    assert all(line["demands"] for line in TABLE["line"])
    counted = Counter(
        next(name for name in sorted(SECTIONS, reverse=True) if item.startswith(f"{name}."))
        for item in ids
    )
    assert counted == SECTIONS


def test_every_line_is_covered_by_existing_tests() -> None:
    for line in TABLE["line"]:
        assert line["tests"], line["id"]
        assert missing(line["tests"]) == [], line["id"]


def test_every_client_is_tested_in_each_of_its_scenarios() -> None:
    cells = {row["name"]: row["tests"] for row in TABLE["scenario"]}
    assert cells.keys() == SCENARIOS.keys()
    for name, marks in SCENARIOS.items():
        having = [client for client, mark in zip(CLIENTS, marks, strict=True) if mark == "x"]
        assert list(cells[name]) == having, name
        assert missing(list(cells[name].values())) == [], name


def test_a_missing_test_is_detected() -> None:
    here = "compat/test_lines.py"
    named = [
        f"{here}::test_a_missing_test_is_detected",
        f"{here}::test_none",
        "no.py::test_a",
    ]
    assert missing(named) == named[1:]
