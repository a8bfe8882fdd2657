"""The two maps of the packages, in the README and in the internals, are complete."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = {path.parent.name for path in (ROOT / "src" / "fyke").glob("*/__init__.py")}


def test_the_readme_has_each_package() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    part = readme.partition("src/fyke/ ")[2].partition("workers/ ")[0]
    assert set(re.findall(r"([a-z]+)/(?= )", part)) == PACKAGES


def test_the_internals_have_a_page_for_each_package() -> None:
    folder = ROOT / "docs" / "internals"
    table = (folder / "README.md").read_text(encoding="utf-8").partition("| package |")[2]
    assert set(re.findall(r"^\| \[([a-z]+)\]", table, re.MULTILINE)) == PACKAGES
    assert all((folder / f"{name}.md").is_file() for name in PACKAGES)
