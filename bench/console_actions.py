"""Measures how long the console takes to show what a key or the mouse did, in Chromium.

    python bench/console_actions.py [--runs 200] [--times 15]

Serves an account that has data for every page, with some more runs, and uses its pages: opens the
palette, moves between the rows of a list, drags over the runs over time, types into a filter,
switches tabs. Prints the milliseconds from the event to the frame that shows its effect, as p50 and
p95 (the target is 100 ms). A tab is a page of its own: it is measured from the click to its first
content. The list that a filter asks for, and the results of the palette, come from the server; they
are measured until they are in the page, without the time for which the page waits for more typing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import structlog
from common import arguments, head, line, percentile
from playwright.sync_api import Page

from support.browser import chromium, tab
from support.console_seed import SeededAccount, seed, start
from support.pages import sign_in
from support.served import Served, served_from_new_folder

TARGET_MS = 100
FILTER_WAITS_MS = 300  # for more typing
PALETTE_WAITS_MS = 120
# The time from an event to the frame that shows its effect.
FRAMES = """(event) => {
  window.took = [];
  const [kind, key] = event.split(" ");
  addEventListener(kind, (event) => {
    if (key && event.key !== key) return;
    requestAnimationFrame(() => requestAnimationFrame(() =>
      took.push(performance.now() - event.timeStamp)));
  }, true);
}"""
# The time from a key to the swap that the element of the selector asks for.
SWAPS = """(selector) => {
  window.took = [];
  let at = 0;
  addEventListener("keydown", (event) => (at = event.timeStamp), true);
  addEventListener("htmx:after:swap", (event) => {
    if (event.target.matches(selector)) took.push(performance.now() - at);
  }, true);
}"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def measured(
    page: Page, script: str, argument: str, act: Callable[[int], object], times: int
) -> None:
    """Act repeatedly; ``window.took`` gets one time for each."""
    page.evaluate(script, argument)
    for number in range(times):
        act(number)
        page.wait_for_function(f"took.length > {number}")


def times_of(page: Page) -> list[float]:
    return [float(ms) for ms in page.evaluate("took")]


def show(name: str, values: list[float]) -> None:
    p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
    over = "  over the target" if p95 > TARGET_MS else ""
    line(name, f"p50 {p50:.0f}  p95 {p95:.0f} ms{over}", p50_ms=p50, p95_ms=p95)


def palette(page: Page, times: int) -> None:
    page.goto("/runs")

    def open_it(_: int) -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")

    measured(page, FRAMES, "keydown k", open_it, times)
    show("open the palette", times_of(page))
    field = "command-palette input"
    measured(page, SWAPS, field, lambda n: page.keyboard.press("aeio"[n % 4]), times)
    show("palette, results", [ms - PALETTE_WAITS_MS for ms in times_of(page)])


def rows(page: Page, times: int) -> None:
    page.goto("/runs")
    page.keyboard.press("j")
    measured(page, FRAMES, "keydown", lambda n: page.keyboard.press("kj"[n % 2]), times)
    show("j and k in a list", times_of(page))


def brush(page: Page, times: int) -> None:
    page.goto("/runs?from=30d")
    box = page.locator("run-brush svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    page.mouse.down()
    steps = (box["width"] - 60) / times
    middle = box["y"] + box["height"] / 2
    first = box["x"] + 30
    measured(
        page, FRAMES, "pointermove", lambda n: page.mouse.move(first + n * steps, middle), times
    )
    show("drag over runs over time", times_of(page))


def filters(page: Page, times: int) -> None:
    page.goto("/runs")
    page.locator("#f-error").focus()
    measured(page, FRAMES, "keydown", lambda n: page.keyboard.press("a"), times)
    show("type into a filter", times_of(page))
    page.goto("/runs?state=succeeded")
    page.locator("#f-error").focus()
    measured(page, SWAPS, ".run-filters", lambda n: page.keyboard.press("e"), times)
    show("filter, the list", [ms - FILTER_WAITS_MS for ms in times_of(page)])


def tabs(page: Page, name: str, address: str, times: int) -> None:
    page.goto(address)
    links = page.locator("main .tabs a")
    painted = []
    for number in range(-links.count(), times):  # first each once: the server compiles its page
        with page.expect_navigation():
            links.nth(number % links.count()).click()
        painted.append(float(page.wait_for_function(PAINTED).json_value()))
    show(f"tabs of {name}", painted[links.count() :])


def measure(server: Served, runs: int, times: int) -> None:
    app = server.app
    account: SeededAccount = server.do(seed(app), 300)
    worker = server.do(app.services.workers.find(app.owner, account.worker))
    for number in range(runs):
        server.do(start(app, worker.id))
        server.do(app.execute([{"n": number}]))
    token = server.do(sign_in(app.services.sessions, app))
    with (
        chromium() as browser,
        tab(browser, server.base_url, token, bypass_csp=True) as (page, _),
    ):
        palette(page, times)
        rows(page, times)
        brush(page, times)
        filters(page, times)
        tabs(page, "a run", f"/runs/{account.runs['succeeded']}", times)
        tabs(page, "a Worker", f"/w/{account.worker}", times)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--times", type=int, default=15)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    head("Actions in the console")
    with served_from_new_folder() as server:
        measure(server, options.runs, options.times)
    return 0


if __name__ == "__main__":
    sys.exit(main())
