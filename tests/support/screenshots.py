"""Screenshots of pages, for ``script/screenshots``."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from playwright.sync_api import Browser

from fyke.telemetry.logging import configure
from support.browser import PHONE, WIDE, chromium, tab
from support.console_seed import SeededAccount, seed
from support.pages import sign_in
from support.served import Served, served_from_new_folder

FACES = {
    "light-1280": (WIDE, False),
    "dark-1280": (WIDE, True),
    "light-375": (PHONE, False),
    "dark-375": (PHONE, True),
}


def main(arguments: list[str]) -> int:
    configure("console", "error")
    parser = argparse.ArgumentParser("script/screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("address", nargs="*")
    parser.add_argument("--language", default="en")
    wanted = parser.parse_args(arguments)
    out = wanted.folder
    out.mkdir(parents=True, exist_ok=True)
    with served_from_new_folder() as server, chromium() as browser:
        seeded = server.do(seed(server.app))
        token = server.do(sign_in(server.app.services.sessions, server.app))
        known = seeded.addresses()
        chosen = [known.get(address, address) for address in wanted.address]
        for address in chosen or addresses(server, seeded):
            take(browser, server.base_url, token, address, out, wanted.language)
    return 0


def addresses(server: Served, seeded: SeededAccount) -> list[str]:
    """One address for each page; prints the pages for which ``seeded`` has none."""
    console = server.app.asgi().state.console
    known = seeded.addresses()
    listed: list[str] = []
    for page in console.pages:
        if page.method != "GET" or page.part:
            continue
        address = known.get(page.path, page.path)
        if "{" in address:
            print(f"no address for {page.path}: add one to support/console_seed.py")
            continue
        listed.append(address)
    return listed


def take(
    browser: Browser, base_url: str, token: str, address: str, out: Path, language: str
) -> None:
    name = re.sub(r"[^A-Za-z0-9]+", "-", address).strip("-") or "overview"
    for face, (size, dark) in FACES.items():
        with tab(browser, base_url, token, size=size, dark=dark, language=language) as (
            page,
            watch,
        ):
            page.goto(address)
            page.wait_for_load_state("load")
            page.screenshot(path=str(out / f"{name}.{face}.png"), full_page=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            problems = [*watch.errors, *watch.foreign]
            if wide > size["width"]:
                problems.append(f"scrolls sideways: {wide} px")
            print(f"{address} {face}: {'; '.join(problems) or 'fine'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
