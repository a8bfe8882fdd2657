"""Runs Workers that strangers published, as they are, and prints their rows or the reason.

    python bench/strangers.py [--folder DIR] [--url URL] [--only NAME] [--seconds 900]

Six scrapers that need a browser are cloned from GitHub into DIR, unless they are there, packed like
``fyke worker push`` does it, and run on a platform of its own with the default settings. Without
--url they open a page of a local site, whose items exist only after a script has run. The one that
searches a shop needs the internet.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common import arguments, head, line, platform_up

from fyke.domain.workers.archive import pack
from support.javascript_site import javascript_site

FOLDER = Path.home() / ".cache" / "fyke-bench" / "strangers"
SUCCEEDED = 3
START = "startUrls"
PROJECTS = {  # the name of the project, and the member of its input that takes the address
    "kael-odin/worker-web-scraper": "url",
    "kael-odin/worker-cheerio-scraper": START,
    "kael-odin/worker-screenshot-url": "urls",
    "kael-odin/Website-Content-Extractor": START,
    "kael-odin/worker-Website-Content-Extractor": START,
    "kael-odin/Amazon-Search-Product-Scraper": "",
}
SHOP = {"keywords": [{"string": "pencil"}], "max_items_per_keyword": 5, "max_pages": 1}


def cloned(name: str, folder: Path) -> Path:
    """The folder of a project. Raise ``CalledProcessError`` when it cannot be cloned."""
    target = folder / name.partition("/")[2]
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        address = f"https://github.com/{name}"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, target], check=True)
    return target


def defaults(folder: Path) -> dict[str, Any]:
    """What the form of a Worker contains before anything is filled in."""
    schema = json.loads((folder / "input_schema.json").read_text("utf-8-sig"))
    fields = schema["properties"]
    return {field["name"]: field["default"] for field in fields if "default" in field}


def shown(row: dict[str, Any]) -> str:
    """A row in one short line."""
    return ", ".join(f"{key}={str(value)[:40]!r}" for key, value in list(row.items())[:6])


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--url", default="")
    parser.add_argument("--only", default="")
    parser.add_argument(
        "--seconds", type=int, default=900, help="for one project, with its packages"
    )
    options = parser.parse_args()
    head("Workers by strangers, with a browser")
    with ExitStack() as stack:
        running, _ = stack.enter_context(platform_up())
        system: dict[str, Any] = {}
        url = options.url
        if not url:
            site = stack.enter_context(javascript_site())
            url, system = site.url, {"egress_allow": [site.target]}
        for name, member in PROJECTS.items():
            if options.only not in name:
                continue
            try:
                folder = cloned(name, options.folder)
            except subprocess.CalledProcessError as error:
                line(name, f"not cloned: git ended with {error.returncode}")
                continue
            custom = defaults(folder) | ({member: [{"url": url}]} if member else SHOP)
            began = time.monotonic()
            slug = running.push(pack(folder), name.partition("/")[2].lower())
            run = running.start_run(slug, custom, **system)
            detail = running.ended(run, options.seconds)
            seconds = time.monotonic() - began
            rows = running.rows(run)
            ended = "succeeded" if detail["status"] == SUCCEEDED else detail["err_msg"]
            line(name, f"{len(rows)} rows in {seconds:.0f} s: {ended}")
            for row in rows[:2]:
                print(f"    {shown(row)}")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
