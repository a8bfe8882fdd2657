"""The palette and the keys of lists, in a browser, by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.axe import violations
from support.browser import tab
from support.console_workers import add_versions
from support.pages import sign_in
from support.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("find"), templates, rate_limit=0) as server:
        server.do(add_versions(server.app))
        yield server


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    return server.do(sign_in(server.app.services.sessions, server.app))


def test_the_palette_opens_a_worker_by_keyboard(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token, bypass_csp=True) as (page, watch):
        page.goto("/usage")
        page.keyboard.press("Control+k")
        field = page.get_by_role("combobox", name="Search for")
        options = page.locator("#palette-options")
        expect(field).to_be_focused()
        expect(options.get_by_role("option").first).to_have_attribute("aria-selected", "true")
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(field).not_to_be_visible()
        page.keyboard.press("/")
        page.keyboard.type("maps")
        option = options.get_by_role("option", name="Places on maps")
        expect(option).to_have_attribute("aria-selected", "true")
        chosen = field.get_attribute("aria-activedescendant")
        assert chosen and chosen == option.get_attribute("id")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{server.base_url}/w/other/maps-places")
        page.keyboard.press("Control+k")
        page.keyboard.type("zzzz")
        expect(page.locator("#palette-count")).to_have_text("Nothing matches “zzzz”")
        expect(field).to_have_attribute("aria-expanded", "false")
        assert violations(page) == []
        assert (watch.errors, watch.foreign) == ([], [])


def test_keys_move_between_the_rows_of_a_list(browser: Browser, server: Served, token: str) -> None:
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/store")
        names = page.locator(".store-card h2 a").all_text_contents()
        for key, at in (("j", 0), ("j", 1), ("k", 0)):
            page.keyboard.press(key)
            expect(page.locator(":focus")).to_have_text(names[at])
        page.get_by_role("searchbox").focus()
        page.keyboard.type("jk/")
        expect(page.get_by_role("searchbox")).to_have_value("jk/")
        expect(page.locator("dialog[open]")).to_have_count(0)
        page.goto("/help/keys")
        page.get_by_role("button", name="Turn single keys off").click()
        page.goto("/store")
        page.keyboard.press("/")
        page.keyboard.press("j")
        expect(page.locator("dialog[open]")).to_have_count(0)
        expect(page.locator(".store-card :focus")).to_have_count(0)
