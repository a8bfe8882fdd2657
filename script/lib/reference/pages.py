"""Writes the generated part of the reference pages; ``--check`` only lists the stale ones.

A page begins with an introduction; the part below the mark is generated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import api_page
import cli_page
import settings_page
from documents import documents
from markdown import ROOT

FOLDER = ROOT / "docs" / "reference"
MARK = "<!-- The rest of this page is written by script/docs. Edit the source, not this page. -->\n"
PAGES: dict[str, Callable[[], str]] = {
    "api.md": lambda: api_page.text(documents()["v1"]),
    "api-v2.md": lambda: api_page.text(documents()["v2"]),
    "api-fyke.md": lambda: api_page.text(documents()["fyke"]),
    "cli.md": cli_page.text,
    "settings.md": settings_page.text,
}


def renew(page: Path, generated: str) -> str:
    """Return the text of ``page`` with ``generated`` below the mark."""
    introduction, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{page}: the line that separates the generated part is missing: {MARK}")
    return f"{introduction}{MARK}\n{generated.strip()}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="script/docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail for stale pages")
    check = parser.parse_args(arguments).check
    stale = []
    for name, generate in PAGES.items():
        page = FOLDER / name
        text = renew(page, generate())
        if text != page.read_text(encoding="utf-8"):
            stale.append(f"docs/reference/{name}")
            if not check:
                page.write_text(text, encoding="utf-8")
    for item in stale:
        print(f"{item} is stale: run script/docs" if check else f"{item} was written")
    return 1 if stale and check else 0
