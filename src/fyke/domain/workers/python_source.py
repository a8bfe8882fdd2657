"""Reads syntax errors and imports of a Python file without running it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True, slots=True)
class PythonSource:
    """``problem`` is empty for a file that can be parsed, else ``line`` is its line. ``imports``:
    the modules, without their submodules, with the line of the import. Those that may be missing,
    in a ``try`` or for type checkers, are left out.
    """

    problem: str = ""
    line: int = 0
    imports: tuple[tuple[str, int], ...] = ()


@lru_cache(maxsize=8)  # every project has the same SDK files; a file has at most 256 KiB
def inspect_source(source: bytes) -> PythonSource:
    """Read a Python file. It is decoded as UTF-8 even if it declares another encoding: some codecs
    take quadratic time.
    """
    try:
        text = source.decode("utf-8-sig")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        return PythonSource("the file is not UTF-8", line)
    except SyntaxError as error:
        return PythonSource(f"syntax error: {error.msg}", error.lineno or 0)
    except (ValueError, RecursionError, MemoryError) as error:
        return PythonSource(f"cannot be parsed: {error or type(error).__name__}")
    return PythonSource(imports=tuple(sorted(_imports(tree), key=lambda item: item[1])))


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node.lineno
        blocks = _BLOCKS[1:3] if _is_optional(node) else _BLOCKS
        for block in blocks:
            inside = getattr(node, block, None)
            pending += inside if isinstance(inside, list) else []


def _is_optional(node: ast.AST) -> bool:
    """Whether the first block of a statement may import what is not installed."""
    if isinstance(node, ast.If):
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        return name == "TYPE_CHECKING"
    if not isinstance(node, ast.Try):
        return False
    caught = [name for handler in node.handlers for name in _names(handler.type)]
    return any(handler.type is None for handler in node.handlers) or not _IMPORT_ERRORS.isdisjoint(
        caught
    )


def _names(type: ast.expr | None) -> list[str]:
    """The names of the exceptions that a handler catches."""
    types = type.elts if isinstance(type, ast.Tuple) else [type]
    return [handled.id for handled in types if isinstance(handled, ast.Name)]
