"""Finds the entry point of a project, and so its language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from fyke.domain.workers import go_build
from fyke.model.worker import Language

ENTRIES = {"main.py": Language.PYTHON, "main.js": Language.NODE, "main": Language.GO}
NODE_ENTRY = "main.js"
PACKAGE = "package.json"
MAX_PACKAGE = 512 * 1024

_NODE_FALLBACK = "index.js"
_SCRIPT = re.compile(r"(?:\./)?([A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)*\.[cm]?js)", re.ASCII)

Has = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """``file`` is its path in the project."""

    language: Language
    file: str


def find(has: Has, package: Callable[[], str]) -> list[EntryPoint]:
    """Every entry point of a project: only exactly one is valid.

    ``has`` says whether the project has a file, ``package`` reads its package.json ("" = none).
    Other names count only when there is none of the usual ones.
    """
    found = [EntryPoint(language, name) for name, language in ENTRIES.items() if has(name)]
    if not found and has(go_build.SOURCE):
        return [EntryPoint(Language.GO, go_build.SOURCE)]
    if not found and (name := node_entry(has, package)):
        return [EntryPoint(Language.NODE, name)]
    return found


def node_entry(has: Has, package: Callable[[], str]) -> str:
    """The script of a Node.js project: main.js, or what package.json names, or index.js."""
    if has(NODE_ENTRY):
        return NODE_ENTRY
    named = _named_by(package()) if has(PACKAGE) else ""
    for name in (named, _NODE_FALLBACK):
        if name and has(name):
            return name
    return ""


def _named_by(text: str) -> str:
    try:
        main = json.loads(text).get("main")
    except (AttributeError, ValueError, RecursionError):
        return ""  # the error is reported when its dependencies are read
    match = _SCRIPT.fullmatch(main) if isinstance(main, str) and len(main) < 256 else None
    return match[1] if match else ""
