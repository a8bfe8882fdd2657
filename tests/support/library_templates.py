"""The templates with a library, as parameters of tests.

Their libraries come from the package registries that the machine is configured for; a test whose
registry is not reached is skipped.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import pytest
import uv

from fyke.model.worker import Language
from support.practice_site import HOST

PROBE_SECONDS = 60
TOOLS = {  # what each needs besides Python
    "httpx": (),
    "requests": (),
    "scrapy": (),
    "crawlee": (),
    "playwright": ("chromium",),
    "cheerio": ("node", "npm"),
    "crawlee-js": ("node", "npm"),
    "puppeteer": ("node", "npm", "chromium"),
    "go-colly": ("go",),
}
_PROBES = {  # commands that succeed if a registry is reached
    Language.PYTHON: (uv.find_uv_bin(), "pip", "compile", "--no-cache", "--no-deps", "-q", "-"),
    Language.NODE: ("npm", "view", "cheerio", "version", "--prefer-online", "--fetch-retries=0"),
    Language.GO: ("go", "list", "-m", "-versions", "github.com/gocolly/colly/v2"),
}


def library_templates(*ordinary: str) -> list[object]:
    """Their names; all but the ordinary ones only with ``script/test --all``, because of what they
    download.
    """
    return [
        pytest.param(
            name,
            marks=[pytest.mark.needs(*tools)] + [pytest.mark.long] * (name not in ordinary),
        )
        for name, tools in TOOLS.items()
    ]


def skip_without_registry(language: Language) -> None:
    if not _is_reached(language):
        pytest.skip(f"no registry for packages of {language.value} is reached")


@cache
def _is_reached(language: Language) -> bool:
    try:
        ended = subprocess.run(
            _PROBES[language],
            input=b"parsel\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def start_folder(project: Path) -> str:
    """The folder of the practice site in which the example of a project starts."""
    start = str(json.loads((project / "examples" / "two-pages.json").read_text())["url"])
    return start.removeprefix(f"https://{HOST}")
