"""Finds the entry point of a project, which determines its language."""

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

FileExists = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """The language of a project, and the path of its first file to run."""

    language: Language
    file: str


def find(exists: FileExists, read_package: Callable[[], str]) -> list[EntryPoint]:
    """Return all entry points of a project; a valid project has exactly one.

    ``exists`` is true for the files of the project, ``read_package`` returns its package.json.
    Other files count only when there is none of ``ENTRIES``.
    """
    entries = [EntryPoint(language, name) for name, language in ENTRIES.items() if exists(name)]
    if not entries and exists(go_build.SOURCE):
        return [EntryPoint(Language.GO, go_build.SOURCE)]
    if not entries and (name := node_entry(exists, read_package)):
        return [EntryPoint(Language.NODE, name)]
    return entries


def node_entry(exists: FileExists, read_package: Callable[[], str]) -> str:
    """The script of a Node.js project: main.js, the "main" of package.json, or index.js."""
    if exists(NODE_ENTRY):
        return NODE_ENTRY
    main = _main_of(read_package()) if exists(PACKAGE) else ""
    for name in (main, _NODE_FALLBACK):
        if name and exists(name):
            return name
    return ""


def _main_of(text: str) -> str:
    try:
        main = json.loads(text).get("main")
    except (AttributeError, ValueError, RecursionError):
        return ""  # the error is reported when its dependencies are read
    match = _SCRIPT.fullmatch(main) if isinstance(main, str) and len(main) < 256 else None
    return match[1] if match else ""
