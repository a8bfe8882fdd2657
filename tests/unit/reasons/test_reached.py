"""Every code is reached by an end-to-end test, which marks it with ``reaches``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fyke.reasons import HintCode, ReasonCode

TESTS = Path(__file__).parents[2] / "e2e"


def codes_in(tree: ast.AST) -> Iterator[str]:
    """The arguments of calls of ``reaches``, such as ``ReasonCode.TIMEOUT``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "reaches":
            for argument in node.args:
                yield ast.unparse(argument)


def test_every_code_is_reached() -> None:
    found = {
        code for path in TESTS.glob("test_*.py") for code in codes_in(ast.parse(path.read_text()))
    }
    expected = {f"ReasonCode.{code.name}" for code in ReasonCode}
    expected |= {f"HintCode.{code.name}" for code in HintCode}
    assert sorted(expected - found) == []
    assert sorted(found - expected) == []
