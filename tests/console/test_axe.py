"""Every page meets WCAG 2.2 AA as far as a program can check, in light and dark, at 320 px."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from support.app import make_templates
from support.axe import COLOURS, SOURCE, sideways, violations
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


@dataclass
class Seen:
    """An account with something of everything, behind a listening server."""

    server: Served
    fixtures: SeededAccount
    token: str


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with _served(tmp_path_factory.mktemp("full")) as server:
        fixtures = server.do(seed(server.app))
        token = server.do(sign_in(server.app.services.sessions, server.app))
        yield Seen(server, fixtures, token)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Seen]:
    """An installation on its first day."""
    with _served(tmp_path) as server:
        token = server.do(sign_in(server.app.services.sessions, server.app))
        yield Seen(server, SeededAccount(runs={"succeeded": "none"}), token)


def _served(folder: Path) -> AbstractContextManager[Served]:
    templates, data = folder / "templates", folder / "data"
    templates.mkdir()
    data.mkdir()
    return served(data, make_templates(templates), rate_limit=0)


def faults_of(
    page: Page, address: str, dark: Sequence[str] = (), *, themes: Sequence[Theme] = THEMES
) -> list[str]:
    """What is wrong with the page at ``address``, in these themes and on a narrow screen; ``dark``
    are the rules that are looked at in the dark theme, all of them without any.
    """
    found = []
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a dict with these two keys
        page.goto(address)
        found += broken(page, f"{address} {theme}", dark if theme == "dark" else ())
    return found + too_wide(page, address)


def broken(page: Page, label: str, rules: Sequence[str] = ()) -> list[str]:
    return [f"{label}: {each}" for each in violations(page, rules)]


def too_wide(page: Page, label: str) -> list[str]:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a dict with these two keys
    out = sideways(page)
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a dict with these two keys
    return [f"{label} scrolls sideways at 320 px: {out}"] if out else []


@contextmanager
def looked_at(browser: Browser, seen: Seen) -> Iterator[Page]:
    """A page that axe may be put into; nothing else may have happened in it."""
    with tab(
        browser, seen.server.base_url, seen.token, bypass_csp=True, reduced_motion="reduce"
    ) as (page, watch):
        page.add_init_script(path=SOURCE)  # sent once, and not to each page anew
        yield page
    assert watch.errors == watch.foreign == watch.dialogs == []


def check(browser: Browser, seen: Seen, wanted: Sequence[str]) -> None:
    with looked_at(browser, seen) as page:
        found = [fault for address in wanted for fault in faults_of(page, address)]
    assert not found, "\n".join(found)


def each_once(seen: Seen) -> list[str]:
    """One address for each page there is."""
    return list(dict.fromkeys(addresses(seen.server, seen.fixtures)))


def states(seen: Seen) -> list[str]:
    """More than one address where a state makes another page of it."""
    other = [address for kind, address in seen.fixtures.addresses().items() if kind[0] != "/"]
    return list(dict.fromkeys([*each_once(seen), *other]))


def test_every_page_has_an_address_to_be_looked_at(full: Seen) -> None:
    known = full.fixtures.addresses()
    pages = full.server.app.asgi().state.console.pages
    wanted = {page.path for page in pages if page.method == "GET" and not page.part}
    assert {path for path in wanted if "{" in path and path not in known} == set()


@pytest.mark.timeout(300)
def test_no_page_breaks_a_rule(browser: Browser, full: Seen) -> None:
    """The dark page is the light one but for its colours, which are a few for all pages: so their
    rules are tried on every eighth. The long form tries each state of a page in both themes.
    """
    found = []
    with looked_at(browser, full) as page:
        for number, address in enumerate(each_once(full)):
            themes = THEMES if number % 8 == 0 else LIGHT
            found += faults_of(page, address, COLOURS, themes=themes)
    assert not found, "\n".join(found)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_state_of_a_page_breaks_a_rule_in_either_theme(browser: Browser, full: Seen) -> None:
    check(browser, full, states(full))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_empty_page_breaks_a_rule(browser: Browser, empty: Seen) -> None:
    pages = empty.server.app.asgi().state.console.pages
    plain = [p.path for p in pages if p.method == "GET" and not p.part and "{" not in p.path]
    assert len(plain) > 20
    check(browser, empty, plain)


# What ends something is left alone, or there would be nothing to look at.
_ENDS = re.compile(
    "/(delete|revoke|remove|disable|end|forget|take-back|withdraw|abort|private|logout)$"
)
_ID = re.compile(r"[0-9A-Z]{26}")
_FORMS = "main form[method=post]"
_ACTIONS = """(forms) => forms.map(
  (form) => new URL(form.getAttribute('action') || '', location).pathname
)"""
# Sends the form as it is, past the checks of the browser and of our own scripts.
_SEND = """(form) => {
  for (const each of form.elements) {
    if (each.type === 'hidden') continue;
    if (each.type === 'checkbox' || each.type === 'radio') each.checked = false;
    else if ('value' in each && each.type !== 'file') each.value = '\\u0001';
  }
  HTMLFormElement.prototype.submit.call(form);
}"""
# A page that shows a secret once asks before it is left; not here.
_LEAVES = "addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)"


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_of_an_error_breaks_a_rule(browser: Browser, full: Seen, theme: str) -> None:
    """Every form of every page, sent with nothing that makes sense in it; and pages of errors."""
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
                if action not in there:  # another form has made it pointless
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
