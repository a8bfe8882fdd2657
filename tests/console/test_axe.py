"""Every page keeps every rule of axe, in light and dark, with text at 200 % and at 320 px, which is
what 400 % zoom leaves of 1280.

A share of the pages is checked in the ordinary suite; all of them, in all states and in both
themes, are ``long``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from fyke.console.guide import guide
from support.app import make_templates
from support.axe import COLOURS, SOURCE, enlarge, sideways, violations
from support.bare_seed import seed_bare
from support.browser import WIDE, tab
from support.console_seed import SeededAccount, seed
from support.pages import sign_in
from support.screenshots import addresses
from support.served import Served, served

pytestmark = pytest.mark.needs("git")

Theme = Literal["light", "dark"]
LIGHT: tuple[Theme, ...] = ("light",)
THEMES: tuple[Theme, ...] = ("light", "dark")
NARROW = {"width": 320, "height": 800}
SHARE, SHARE_OF_EMPTY = 4, 8  # one of so many pages is checked in the ordinary suite
# Everything that is closed at first: menus, questions before an action, further settings.
_UNFOLD = """() => {
  for (const each of document.querySelectorAll('main details')) each.open = true;
  for (const each of document.querySelectorAll('main [popover]:not(.menu-list)')) {
    if (each.getAttribute('popover') !== 'hint') { each.showPopover(); break; }
  }
}"""


@dataclass
class Seen:
    """An account with data for every page, behind a listening server."""

    server: Served
    fixtures: SeededAccount
    token: str


@dataclass
class Bare:
    """A new account without data, and the addresses of its pages."""

    server: Served
    addresses: Sequence[str]
    token: str


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with _served(tmp_path_factory.mktemp("full")) as server:
        fixtures = server.do(seed(server.app))
        token = server.do(sign_in(server.app.services.sessions, server.app))
        yield Seen(server, fixtures, token)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """An installation right after set-up, later with one unused record of each kind."""
    with _served(tmp_path_factory.mktemp("bare")) as server:
        pages = server.app.asgi().state.console.pages
        plain = [p.path for p in pages if p.method == "GET" and not p.part and "{" not in p.path]
        assert len(plain) > 20
        token = server.do(sign_in(server.app.services.sessions, server.app))
        yield Bare(server, plain, token)


def _served(folder: Path) -> AbstractContextManager[Served]:
    templates, data = folder / "templates", folder / "data"
    templates.mkdir()
    data.mkdir()
    return served(data, make_templates(templates), rate_limit=0)


def faults_of(
    page: Page, address: str, dark: Sequence[str] = (), *, themes: Sequence[Theme] = THEMES
) -> list[str]:
    """The faults of the page at ``address``, in these themes, with large text and on a narrow
    screen. ``dark`` lists the rules to check in the dark theme; empty means all.
    """
    found = []
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a dict with these two keys
        page.goto(address)
        found += broken(page, f"{address} {theme}", dark if theme == "dark" else ())
    return found + too_wide(page, address)


def broken(page: Page, label: str, rules: Sequence[str] = ()) -> list[str]:
    return [f"{label}: {violation}" for violation in violations(page, rules)]


def too_wide(page: Page, label: str) -> list[str]:
    """What scrolls sideways, but for named areas, with large text or on a narrow screen."""
    enlarge(page, "200%")
    found = [f"{label} with text at 200 %: {out}" for out in sideways(page)]
    enlarge(page, "")
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a dict with these two keys
    found += [f"{label} at 320 px: {out}" for out in sideways(page)]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a dict with these two keys
    return found


@contextmanager
def looked_at(browser: Browser, seen: Seen | Bare) -> Iterator[Page]:
    """A page with axe injected, which fails if the browser reports any other error."""
    with tab(
        browser, seen.server.base_url, seen.token, bypass_csp=True, reduced_motion="reduce"
    ) as (page, watch):
        page.add_init_script(path=SOURCE)  # injected once instead of into each page
        yield page
    assert watch.errors == watch.foreign == watch.dialogs == []


def check(browser: Browser, seen: Seen | Bare, wanted: Sequence[str]) -> None:
    with looked_at(browser, seen) as page:
        found = [fault for address in wanted for fault in faults_of(page, address)]
    assert not found, "\n".join(found)


def each_once(seen: Seen) -> list[str]:
    """One address for each page."""
    return list(dict.fromkeys(addresses(seen.server, seen.fixtures)))


def states(seen: Seen) -> list[str]:
    """Further addresses of pages whose states look different."""
    other = [address for kind, address in seen.fixtures.addresses().items() if kind[0] != "/"]
    return list(dict.fromkeys([*each_once(seen), *other]))


def test_every_page_has_an_address_in_the_seed(full: Seen) -> None:
    known = full.fixtures.addresses()
    pages = full.server.app.asgi().state.console.pages
    wanted = {page.path for page in pages if page.method == "GET" and not page.part}
    assert {path for path in wanted if "{" in path and path not in known} == set()


@pytest.mark.timeout(300)
def test_a_share_of_the_pages_breaks_no_accessibility_rule(browser: Browser, full: Seen) -> None:
    """The dark theme differs only in colours, and all pages share a few of them, so the colour
    rules are checked on every second one of these.
    """
    found = []
    with looked_at(browser, full) as page:
        for number, address in enumerate(each_once(full)[::SHARE]):
            themes = THEMES if number % 2 == 0 else LIGHT
            found += faults_of(page, address, COLOURS, themes=themes)
    assert not found, "\n".join(found)


@pytest.mark.timeout(120)
def test_the_palette_breaks_no_accessibility_rule(browser: Browser, full: Seen) -> None:
    """With results of each kind, and without any."""
    found = []
    with looked_at(browser, full) as page:
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.goto("/help/keys")
            page.keyboard.press("Control+k")
            for text, count in (("a", "results"), ("zzzz", "Nothing matches")):
                page.locator(".palette input").fill(text)
                page.locator("#palette-count", has_text=count).wait_for()
                found += broken(page, f"the palette with {text}, {theme}")
            found += too_wide(page, "the palette")
    assert not found, "\n".join(found)


@pytest.mark.timeout(120)
def test_a_share_of_the_empty_pages_breaks_no_accessibility_rule(
    browser: Browser, bare: Bare
) -> None:
    found = []
    with looked_at(browser, bare) as page:
        for address in bare.addresses[::SHARE_OF_EMPTY]:
            found += faults_of(page, address, themes=LIGHT)
    assert not found, "\n".join(found)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_state_of_a_page_breaks_an_accessibility_rule_in_either_theme(
    browser: Browser, full: Seen
) -> None:
    check(browser, full, states(full))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_what_opens_on_a_page_breaks_no_accessibility_rule(browser: Browser, full: Seen) -> None:
    """Menus, questions before an action, further settings: all open at once."""
    found = []
    with looked_at(browser, full) as page:
        for address in each_once(full):
            page.goto(address)
            page.evaluate(_UNFOLD)
            found += broken(page, f"{address}, unfolded")
            found += too_wide(page, f"{address}, unfolded")
    assert not found, "\n".join(found)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_page_of_the_documentation_breaks_an_accessibility_rule(
    browser: Browser, full: Seen
) -> None:
    found = []
    with looked_at(browser, full) as page:
        for each in guide().pages.values():
            found += faults_of(page, each.address, themes=LIGHT)
    assert not found, "\n".join(found)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_empty_page_breaks_an_accessibility_rule(browser: Browser, bare: Bare) -> None:
    check(browser, bare, bare.addresses)
    check(browser, bare, bare.server.do(seed_bare(bare.server.app)))


# Forms that delete or end something are left out: they would remove the data of other pages.
_ENDS = re.compile(
    "/(delete|revoke|remove|disable|end|forget|take-back|withdraw|abort|private|logout)$"
)
_ID = re.compile(r"[0-9A-Z]{26}")
_FORMS = "main form[method=post]"
_ACTIONS = """(forms) => forms.map(
  (form) => new URL(form.getAttribute('action') || '', location).pathname
)"""
# Submits the form unchanged, without the checks of the browser and of our scripts.
_SEND = """(form) => {
  for (const each of form.elements) {
    if (each.type === 'hidden') continue;
    if (each.type === 'checkbox' || each.type === 'radio') each.checked = false;
    else if ('value' in each && each.type !== 'file') each.value = '\\u0001';
  }
  HTMLFormElement.prototype.submit.call(form);
}"""
# Suppress the confirmation on leaving a page that shows a secret once.
_LEAVES = "addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)"


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_error_page_breaks_an_accessibility_rule(
    browser: Browser, full: Seen, theme: str
) -> None:
    """Every form of every page, submitted with invalid values; and pages of errors."""
    found, refused = [], 0
    sent: set[str] = set()
    lost = ["/nothing", "/runs/nothing", "/w/no/body", "/logout", "/tasks/none", "/docs/none"]
    with tab(
        browser, full.server.base_url, full.token, dark=theme == "dark", bypass_csp=True,
        reduced_motion="reduce",
    ) as (page, _):  # fmt: skip
        page.add_init_script(path=SOURCE)
        page.add_init_script(_LEAVES)
        for address in lost:
            answer = page.goto(address)
            assert answer is not None and answer.status in (404, 405), address
            found += [*broken(page, address), *too_wide(page, address)]
        for address in states(full):
            page.goto(address)
            for action in page.eval_on_selector_all(_FORMS, _ACTIONS):
                kind = _ID.sub("x", action)
                if kind in sent or _ENDS.search(action):
                    continue
                sent.add(kind)
                page.goto(address)
                there = page.eval_on_selector_all(_FORMS, _ACTIONS)
                if action not in there:  # removed by an earlier form
                    continue
                at = there.index(action)
                with page.expect_navigation():
                    page.locator(_FORMS).nth(at).evaluate(_SEND)
                status = page.evaluate(
                    "performance.getEntriesByType('navigation')[0].responseStatus"
                )
                refused += status == 422
                label = f"{address}, form to {action}: {status}"
                assert status < 500, label
                found += [*broken(page, label), *too_wide(page, label)]
    assert refused > 10
    assert not found, "\n".join(found)
