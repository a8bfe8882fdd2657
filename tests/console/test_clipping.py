"""Nothing that matters is cut off in the first screen of a page without a hint that it goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from fyke.domain.runs.service import StartRequest
from fyke.domain.workers.page import PageChange
from fyke.model.run import Origin, Outcome
from support.app import App, make_templates
from support.browser import PHONE, tab
from support.console_seed import SeededAccount, seed
from support.pages import sign_in
from support.screenshots import addresses
from support.served import Served, served

sys.path.insert(0, str(Path(__file__).parents[2] / "script" / "lib" / "pictures"))

import compare_pages

pytestmark = pytest.mark.needs("git")

Theme = Literal["light", "dark"]

LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamten"
WIDTHS = (1280, 1440, 375)
THEMES: tuple[Theme, ...] = ("light", "dark")
HEIGHT = 800
# The texts of elements in the first screen that end outside of what is shown of them. An element
# that scrolls must have a shadow where it goes on (.region and .tabs have one as a background), and
# text that is cut must end in dots.
FIND = """() => {
  const wanted = 'td, th, .tabs a, .button, button, summary, h1, h2, .state, .tag, .chip, dt, dd';
  const shown = (style) => style.visibility !== 'hidden' && style.opacity !== '0';
  const found = [];
  for (const element of document.querySelectorAll(wanted)) {
    const rect = element.getBoundingClientRect();
    if (rect.width < 2 || rect.height < 2 || rect.top >= innerHeight || rect.bottom <= 0) continue;
    const own = getComputedStyle(element);
    if (!shown(own) || own.clipPath !== 'none') continue;
    const name = `${element.tagName.toLowerCase()} "${element.innerText.trim().slice(0, 40)}"`;
    if (own.overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1
        && own.textOverflow !== 'ellipsis' && own.overflowX === 'hidden') {
      found.push(`${name} is cut inside`);
    }
    for (let frame = element.parentElement; frame; frame = frame.parentElement) {
      const style = getComputedStyle(frame);
      if (style.clipPath !== 'none') break;
      if (style.overflowX === 'visible') continue;
      const edges = frame.getBoundingClientRect();
      if (rect.right <= edges.right + 1 && rect.left >= edges.left - 1) continue;
      const hint = style.backgroundImage.includes('gradient') || style.textOverflow === 'ellipsis';
      const scrolls = style.overflowX === 'auto' || style.overflowX === 'scroll';
      if (!(hint && (scrolls || style.textOverflow === 'ellipsis'))) {
        found.push(`${name} is cut by ${frame.tagName.toLowerCase()}.${frame.className}`);
      }
      break;
    }
  }
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) found.push(`the page is ${wide} px wide`);
  return [...new Set(found)];
}"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, SeededAccount, str]]:
    folder = tmp_path_factory.mktemp("clipping")
    templates, data = folder / "templates", folder / "data"
    templates.mkdir()
    data.mkdir()
    with served(data, make_templates(templates), rate_limit=0) as server:
        fixtures = server.do(seed(server.app))
        for path in (fixtures.worker, "owner/price-watch"):
            server.do(give_a_long_word(server.app, path))
        yield server, fixtures, server.do(sign_in(server.app.services.sessions, server.app))


async def give_a_long_word(app: App, path: str) -> None:
    """A title as users give it, with a word that is wider than a telephone."""
    workers = app.services.workers
    worker = await workers.find(app.owner, path)
    await workers.change_page(app.owner, worker.id, PageChange(LONG_WORD))


async def started(app: App) -> str:
    """The id of a run that waits."""
    worker = await app.services.workers.find(app.owner, "owner/reader")
    wanted = {"parameters": {"system": {}, "custom": {"urls": [{"url": "https://a.example"}]}}}
    request = StartRequest(worker.id, None, wanted, "", Origin.WEB)
    return (await app.services.runs.start(app.owner, request)).id


async def failed_with_a_long_log(app: App) -> str:
    """The id of a run that has failed, with lines of several rows."""
    run = await started(app)
    [lease] = [one for one in await app.begin() if one.run.id == run]
    await app.push(lease, [], log=[f"line {n} " + "word " * 100 for n in range(30)])
    await app.end(lease, Outcome.EXIT_CODE, "The Worker exited with code 1")
    return run


def cut_off(page: Page, label: str, themes: Sequence[Theme] = THEMES) -> list[str]:
    """What is cut off on the page that is open, at each width and in these themes."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            found += [f"{label} at {width} px, {theme}: {fault}" for fault in page.evaluate(FIND)]
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("share", "themes"), [(3, THEMES[:1]), pytest.param(1, THEMES, marks=pytest.mark.long)]
)
def test_no_page_cuts_off_what_matters(
    browser: Browser,
    seen: tuple[Served, SeededAccount, str],
    share: int,
    themes: Sequence[Theme],
) -> None:
    """``share``: one of so many pages is looked at."""
    server, fixtures, token = seen
    found = []
    with tab(browser, server.base_url, token, reduced_motion="reduce") as (page, _):
        for address in list(dict.fromkeys(addresses(server, fixtures)))[::share]:
            page.goto(address)
            found += cut_off(page, address, themes)
    assert not found, "\n".join(found)


def test_a_long_word_in_a_title_is_wrapped(
    browser: Browser, seen: tuple[Served, SeededAccount, str]
) -> None:
    server, fixtures, token = seen
    known = fixtures.addresses()
    found = []
    with tab(browser, server.base_url, token, reduced_motion="reduce") as (page, _):
        for address in (f"/w/{fixtures.worker}/runs", known["/tasks/{id}"], "/", "/queue"):
            page.goto(address)
            found += cut_off(page, address)
        page.set_viewport_size({"width": 1280, "height": HEIGHT})
        page.goto(f"/w/{fixtures.worker}/runs")
        title, bars = (page.locator(each).bounding_box() for each in ("h1", ".large-bars"))
        assert title and bars and title["x"] + title["width"] <= bars["x"]
        page.goto("/queue")
        tables = page.locator(".region", has_text=LONG_WORD)
        assert tables.count() >= 1
        assert max(tables.evaluate_all("all => all.map(e => e.scrollWidth - e.clientWidth)")) <= 1
    assert not found, "\n".join(found)


CUT = """<!doctype html><div style="width: 100px; {style}"><table><tr><td>{word}</table></div>"""


@pytest.mark.parametrize(
    ("style", "faults"),
    [
        ("overflow: hidden", 1),
        ("overflow: auto", 1),
        ("overflow: auto; background: linear-gradient(red, blue)", 0),
        ("overflow: hidden; text-overflow: ellipsis", 0),
    ],
)
def test_a_cell_that_is_cut_off_without_a_hint_is_found(
    browser: Browser, style: str, faults: int
) -> None:
    with tab(browser, "http://127.0.0.1") as (page, _):
        page.set_content(CUT.format(style=style, word="w" * 200))
        assert len(page.evaluate(FIND)) == faults


FIRST_ROW = """
[...document.querySelectorAll("main tbody tr")].find(row => row.checkVisibility())
  .getBoundingClientRect().top
"""


@pytest.mark.parametrize(("address", "highest"), [("/runs?all=1", 260), ("/runs/{id}", 260)])
def test_the_first_row_is_near_the_top(
    browser: Browser, seen: tuple[Served, SeededAccount, str], address: str, highest: int
) -> None:
    server, fixtures, token = seen
    with tab(browser, server.base_url, token) as (page, _):
        page.set_viewport_size({"width": 1280, "height": HEIGHT})
        page.goto(fixtures.addresses().get(address, address))
        top = page.evaluate(FIRST_ROW)
        assert top <= highest


def test_tables_of_the_api_docs_and_copy_buttons_fit_a_phone(
    browser: Browser, seen: tuple[Served, SeededAccount, str]
) -> None:
    server, fixtures, token = seen
    known = fixtures.addresses()
    with tab(browser, server.base_url, token, size=PHONE) as (page, _):
        page.goto(known["/docs/{page}"])
        widths = page.locator(".docs-fields .prose:visible").evaluate_all(
            "all => all.map(cell => cell.getBoundingClientRect().width)"
        )
        assert widths and min(widths) > 200
        page.goto(known["/runs/{id}/share"])
        inside = page.locator(".cards-below .copy-button").evaluate_all(
            """all => all.map(each => each.closest("td").getBoundingClientRect().right
              - each.getBoundingClientRect().right)"""
        )
        assert inside and min(inside) >= 0


@pytest.mark.parametrize("script", [True, False])
def test_the_last_line_of_a_failed_run_is_in_sight(
    browser: Browser, seen: tuple[Served, SeededAccount, str], script: bool
) -> None:
    server, _, token = seen
    run = server.do(failed_with_a_long_log(server.app))
    with tab(browser, server.base_url, token, java_script_enabled=script) as (page, _):
        page.goto(f"/runs/{run}")
        assert page.evaluate(
            """() => {
              const log = document.querySelector("[role=region].short");
              const last = log.querySelector("li:last-child").getBoundingClientRect();
              return last.bottom <= log.getBoundingClientRect().bottom
                && log.scrollHeight > log.clientHeight;
            }"""
        )


def test_the_button_for_facts_follows_the_first_line(
    browser: Browser, seen: tuple[Served, SeededAccount, str]
) -> None:
    server, _, token = seen
    run = server.do(started(server.app))
    with tab(browser, server.base_url, token) as (page, _):
        page.goto(f"/runs/{run}")
        page.locator(".run-waits").first.wait_for()
        after, above = page.evaluate(  # at once: the stream replaces the figures
            """() => {
              const [last, button, waits] = [
                "#run-figures > :not(.run-waits):not(:has(~ :not(.run-waits)))",
                ".run-more-facts", ".run-waits",
              ].map((each) => document.querySelector(each).getBoundingClientRect());
              return [button.left - last.right, waits.top - button.bottom];
            }"""
        )
        assert 0 <= after < 16 and above >= 0


def test_controls_and_labels_are_aligned(
    browser: Browser, seen: tuple[Served, SeededAccount, str]
) -> None:
    server, _, token = seen
    middle = "e => { const r = e.getBoundingClientRect(); return (r.top + r.bottom) / 2; }"
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/store")
        icon, field = (page.locator(f".store-box > {each}") for each in (".icon", "input"))
        assert abs(icon.evaluate(middle) - field.evaluate(middle)) < 1
        page.goto("/settings/keys")
        cell = page.locator("tbody tr:has(.button.small) > td").first
        assert cell.evaluate("e => getComputedStyle(e).verticalAlign") == "middle"
        page.set_viewport_size(PHONE)
        page.goto("/runs?all=1")
        label = page.locator("td.id[data-label]").first
        assert "Inter" in label.evaluate("e => getComputedStyle(e, '::before').fontFamily")


def test_charts_and_the_json_editor_follow_the_theme(
    browser: Browser, seen: tuple[Served, SeededAccount, str]
) -> None:
    server, fixtures, token = seen
    known = fixtures.addresses()
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto(known["/runs/{id}/usage"])
        picture = "() => document.querySelector('run-chart canvas')?.toDataURL()"
        light = page.wait_for_function(picture).json_value()
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"light => ({picture})() !== light", arg=light)
        assert page.locator("run-chart canvas").count() == 4
        page.goto(known["/w/{owner}/{name} as JSON"])
        page.locator(".json-editor.ace_dark").wait_for()
        page.emulate_media(color_scheme="light")
        page.locator(".json-editor:not(.ace_dark)").wait_for()
        assert not watch.errors


def test_the_pages_of_compare_pages_exist(seen: tuple[Served, SeededAccount, str]) -> None:
    server, fixtures, _ = seen
    known = {page.path for page in server.app.asgi().state.console.pages if page.method == "GET"}
    known -= {path for path in known if "{" in path}
    assert set(compare_pages.PAGES) <= known | set(fixtures.addresses())


def test_every_page_is_shown_in_chinese(seen: tuple[Served, SeededAccount, str]) -> None:
    server, fixtures, token = seen
    headers = {"accept": "text/html", "accept-language": "zh-CN"}
    cookies = {"fyke_session": token}
    faults = []
    with httpx2.Client(base_url=server.base_url, headers=headers, cookies=cookies) as http:
        for address in dict.fromkeys(addresses(server, fixtures)):
            answer = http.get(address)
            if answer.status_code >= 500 or (
                answer.status_code == 200 and '<html lang="zh' not in answer.text
            ):
                faults.append(f"{address}: {answer.status_code}")
    assert not faults, "\n".join(faults)
