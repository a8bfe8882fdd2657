"""Every module with decisions has a test file of its name."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "fyke"
TESTS = Path(__file__).parent.parent
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.match_case, ast.BoolOp,
            ast.comprehension, ast.ExceptHandler)  # fmt: skip
MANY = 10


def branches(path: Path) -> int:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sum(isinstance(node, BRANCHES) for node in ast.walk(tree))


def name_of(path: Path) -> str:
    """The name of a module; of an ``__init__``, that of its package."""
    return path.parent.name if path.stem == "__init__" else path.stem


def test_a_module_with_decisions_has_a_test_file_of_its_name() -> None:
    """``test_<module>.py``, or ``test_<what>_<module>.py`` where one name is in many packages."""
    named = [f"_{path.stem}" for path in TESTS.rglob("test_*.py")]
    missing = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if not any(name.endswith(f"_{name_of(path)}") for name in named) and branches(path) >= MANY
    ]
    assert sorted(missing) == []
