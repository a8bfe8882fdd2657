"""Paths, modules and members that the pages for contributors name exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("docs/internals", "docs/decisions", "contributing")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
ROOTS = {"fyke": ROOT / "src", "support": ROOT / "tests"}
FICTITIOUS = {  # example files of a recipe
    "src/fyke/storage/sql/state/migrations/versions/s0002_run_attempts.py",
    "src/fyke/storage/sql/state/migrations/versions/s0002_task_notes.py",
    "tests/data/releases/VERSION",
}
SPAN = re.compile(r"`([^`\n]+)`")
MODULE = re.compile(r"(?:fyke|support)(?:\.\w+)+")
FILE = re.compile(
    r"(?:src|tests|docs|proto|bench|script|workers|sdk|contributing|old-migrations)/[\w./-]+"
)
SUFFIXES = ("md", "py", "toml", "db", "key", "log", "json")


@cache
def members(path: Path) -> dict[str, set[str]]:
    """Top-level names of a file, each with the names inside it when it is a class."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for name in names_of(node):
            inside = node.body if isinstance(node, ast.ClassDef) else []
            found[name] = {inner for child in inside for inner in names_of(child)}
    return found


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def exists(dotted: str) -> bool:
    """Return whether ``fyke.a.b``, ``fyke.a.b.Name`` or ``fyke.a.b.Name.member`` exists."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        base = ROOTS[parts[0]] / Path(*parts[:cut])
        if base.is_dir():
            return cut == len(parts)
        file = base.with_suffix(".py")
        if file.is_file():
            rest = parts[cut:]
            inside = members(file)
            return not rest or (
                rest[0] in inside and (len(rest) == 1 or rest[1] in inside[rest[0]])
            )
    return False


def test_pages_are_found_and_missing_names_are_detected() -> None:
    assert len(PAGES) > 10
    assert exists("fyke.domain.runs.service.Runs.start")
    assert not exists("fyke.domain.runs.service.Runs.no_such_method")
    assert not exists("fyke.domain.nowhere")
    assert exists("support.release_database.load")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_named_module_and_path_exists(page: Path) -> None:
    missing = []
    for span in SPAN.findall(page.read_text(encoding="utf-8")):
        if MODULE.fullmatch(span) and span.rpartition(".")[2] not in SUFFIXES:
            missing += [] if exists(span) else [span]
        elif FILE.fullmatch(span) and span not in FICTITIOUS:
            missing += [] if (ROOT / span).exists() else [span]
    assert not missing


def test_every_package_is_in_the_index() -> None:
    folder = ROOT / "docs/internals"
    index = (folder / "README.md").read_text(encoding="utf-8")
    packages = {init.parent.name for init in ROOT.glob("src/fyke/*/__init__.py")}
    assert {name for name in packages if f"[{name}]({name}.md)" not in index} == set()
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert linked == {page.name for page in folder.glob("*.md")} - {"README.md"}
