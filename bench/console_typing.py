"""Measures the delay of typing in the page of a large run, in Chromium, while its log grows.

    python bench/console_typing.py [--lines 100000] [--rows 1000000]

Fills one run, opens its log in a browser, adds 400 lines and 4 rows at a time and types into the
search field between them, then into the filter of the rows. Prints the milliseconds from a key
press to the frame that shows it, the median of nine keys each (the target is 100 ms), and the
memory of the page's scripts and documents.
"""

from __future__ import annotations

import sys

import structlog
from common import arguments, head, line
from playwright.sync_api import Page

from support.browser import chromium, heap_mb, tab
from support.large_run import begin_run, grow
from support.pages import sign_in
from support.served import Served, served_from_new_folder

TARGET_MS = 100
KEYS = 9
SCRIPT = """control => {
  window.took = [];
  document.querySelector(control).addEventListener("keydown", () => {
    const begin = performance.now();
    requestAnimationFrame(() => requestAnimationFrame(() =>
      window.took.push(performance.now() - begin)));
  });
}"""


def latency(page: Page, control: str) -> float:
    """Milliseconds from a key to the frame that shows it, the median."""
    page.locator(control).focus()
    page.evaluate(SCRIPT, control)
    for _ in range(KEYS):
        page.keyboard.press("a")
    page.wait_for_function(f"window.took.length >= {KEYS}")
    return float(sorted(page.evaluate("window.took"))[KEYS // 2])


def measure(server: Served, lines: int, rows: int) -> None:
    token = server.do(sign_in(server.app.services.sessions, server.app))
    lease = server.do(begin_run(server.app))
    server.do(grow(server.app, lease, lines, rows), 600)
    with chromium() as browser, tab(browser, server.base_url, token) as (page, _):
        page.goto(f"/runs/{lease.run.id}/log")
        page.wait_for_selector(f"#l-{lines}", state="attached")
        session = page.context.new_cdp_session(page)
        for burst in range(8):
            for _ in range(4):
                more = [f"more {n}" for n in range(100)]
                server.do(server.app.push(lease, [{"n": 1}], log=more))
            show(f"search field, burst {burst + 1}", latency(page, "#f-search"))
        line("heap of the log page", f"{heap_mb(session):.0f} MB")
        page.goto(f"/runs/{lease.run.id}?all=1")
        page.locator(".rows-choices summary").click()
        show("filter of the rows", latency(page, "#f-field"))
        line("heap of the rows page", f"{heap_mb(session):.0f} MB")


def show(name: str, ms: float) -> None:
    line(name, f"{ms:.0f} ms" + ("  over the target" if ms > TARGET_MS else ""))


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    head("Typing in the console")
    with served_from_new_folder() as server:
        measure(server, options.lines, options.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
