"""The names that several classes of the program share: one name should have one meaning."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SOURCE = "src/fyke"
MAX_NAMES = 20  # names in REASONS
WITHOUT_REASON = 0  # shared names without a reason

# The names that several classes may share, with the reason.
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
    return {name: paths for name, paths in sorted(places.items()) if len(paths) > 1}


def faults(
    shared_names: dict[str, list[str]], reasons: dict[str, str], allowed: int
) -> Iterator[str]:
    """Yield an error for each rule that is broken; ``allowed`` names need no reason."""
    for name in sorted(reasons.keys() - shared_names.keys()):
        yield f"{name}: only one class has this name now; remove it from REASONS"
    if len(reasons) > MAX_NAMES:
        yield f"{len(reasons)} names in REASONS; at most {MAX_NAMES}, rename some classes"
    unexplained = [name for name in shared_names if name not in reasons]
    if len(unexplained) > allowed:
        yield (
            f"{len(unexplained)} class names are shared without a reason, {allowed} are allowed: "
            "rename the new class (script/lib/words.py --classes lists all)"
        )
