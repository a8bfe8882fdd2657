"""Every page held to WCAG 2.2 AA as far as a machine can tell, in light and dark, and to 320 px."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support.axe import sideways, violations
from support.browser import WIDE, tab
from support.console_estate import Estate, seed
from support.house import make_templates
from support.pages import sign_in
from support.screenshots import addresses
from support.served import Served, served

NARROW = {"width": 320, "height": 800}


@dataclass
class Seen:
    """An account with something of everything, behind a listening server."""

    server: Served
    estate: Estate
    token: str


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with _served(tmp_path_factory.mktemp("full")) as server:
        estate = server.do(seed(server.house))
        yield Seen(server, estate, server.do(sign_in(server.house.services.sessions, server.house)))


def _served(folder: Path):  # type: ignore[no-untyped-def]  # a context manager of Served
    templates, data = folder / "templates", folder / "data"
    templates.mkdir()
    data.mkdir()
    return served(data, make_templates(templates), rate_limit=0)


def faults_of(page: Page, address: str) -> list[str]:
    """What is wrong with the page at ``address``, in both themes and on a narrow screen."""
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a dict with these two keys
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of both
        page.goto(address)
        found += [f"{address} {theme}: {broken}" for broken in violations(page)]
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a dict with these two keys
    out = sideways(page)
    return [*found, f"{address} scrolls sideways at 320 px: {out}"] if out else found


def test_every_page_has_an_address_to_be_looked_at(full: Seen) -> None:
    known = full.estate.addresses()
    pages = full.server.house.app().state.console.pages
    wanted = {page.path for page in pages if page.method == "GET" and not page.part}
    assert {path for path in wanted if "{" in path and path not in known} == set()


def test_no_page_breaks_a_rule(browser: Browser, full: Seen) -> None:
    found = []
    url = full.server.base_url
    with tab(browser, url, full.token, bypass_csp=True, reduced_motion="reduce") as (page, watch):
        for address in addresses(full.server, full.estate):
            found += faults_of(page, address)
    assert not found, "\n".join(found)
    assert watch.errors == watch.foreign == watch.dialogs == []
