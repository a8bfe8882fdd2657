"""Every code is reached by a test through the real platform: those that ``reaches`` marks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fyke.reasons import HintCode, ReasonCode

TESTS = Path(__file__).parents[2] / "e2e"


def marked(tree: ast.AST) -> Iterator[str]:
    """The codes that calls of ``reaches`` name, as in ``ReasonCode.TIMEOUT``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "reaches":
            for argument in node.args:
                yield ast.unparse(argument)


def test_every_code_is_reached() -> None:
    found = {
        code for path in TESTS.glob("test_*.py") for code in marked(ast.parse(path.read_text()))
    }
    wanted = {f"ReasonCode.{code.name}" for code in ReasonCode}
    wanted |= {f"HintCode.{code.name}" for code in HintCode}
    assert sorted(wanted - found) == []
    assert sorted(found - wanted) == []
