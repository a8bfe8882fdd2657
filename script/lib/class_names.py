"""One class name, one meaning: the names that several classes of the program share."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SOURCE = "src/fyke"
MAX_NAMES = 20  # names in REASONS
WITHOUT_REASON = 0  # shared names without a reason

# Each name that several classes may share, and why.
_ROUTES = "the routes of one noun in several dialects of the API"
REASONS: dict[str, str] = {
    "AccountRoutes": _ROUTES,
    "CatalogRoutes": _ROUTES,
    "ResultRoutes": _ROUTES,
    "RunRoutes": _ROUTES,
    "StartRoutes": _ROUTES,
    "VersionRoutes": _ROUTES,
}


def shared(root: Path) -> dict[str, list[str]]:
    """Return the names of several classes with their places, as ``path:line``."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / SOURCE).rglob("*.py")):
        if not path.stem.endswith(("_pb2", "_pb2_grpc")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def faults(found: dict[str, list[str]], reasons: dict[str, str], without: int) -> Iterator[str]:
    """Yield what is wrong with the names in ``found``; ``without`` reason may be this many."""
    for name in sorted(reasons.keys() - found.keys()):
        yield f"{name}: only one class has this name now; remove it from REASONS"
    if len(reasons) > MAX_NAMES:
        yield f"{len(reasons)} names in REASONS; at most {MAX_NAMES}, rename some classes"
    unexplained = [name for name in found if name not in reasons]
    if len(unexplained) > without:
        yield (
            f"{len(unexplained)} class names are shared without a reason, {without} are allowed: "
            "rename the new class (script/lib/words.py --classes lists all)"
        )
