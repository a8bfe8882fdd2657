"""docs/dependencies.md explains exactly the runtime dependencies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (\S.*) \|$", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9-]+")


def name_of(requirement: str) -> str:
    found = NAME.match(requirement)
    assert found is not None
    return found[0].lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [
        requirement for group in project["optional-dependencies"].values() for requirement in group
    ]
    return {name_of(requirement) for requirement in [*project["dependencies"], *extras]}


def test_every_dependency_is_explained() -> None:
    reasons = dict(ROW.findall((ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")))
    assert set(reasons) == declared()
