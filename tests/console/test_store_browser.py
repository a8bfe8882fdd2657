"""The store in a browser: searching while typing, and a comparison on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from support.browser import PHONE, tab
from support.console_workers import add_versions
from support.pages import sign_in
from support.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("store"), templates, rate_limit=0) as server:
        server.do(add_versions(server.app))
        yield server


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    return server.do(sign_in(server.app.services.sessions, server.app))


def test_the_list_is_filtered_while_typing(browser: Browser, server: Served, token: str) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/store")
        cards = page.locator(".store-card")
        expect(cards).to_have_count(4)
        field = page.get_by_role("searchbox", name="Search for a Worker")
        field.press_sequentially("maps", delay=20)
        expect(cards).to_have_count(1)
        expect(page.get_by_role("heading", name="Places on maps")).to_be_visible()
        expect(page.locator("#found-count[role=status]")).to_have_text("One Worker for “maps”")
        expect(page).to_have_url(f"{server.base_url}/store?q=maps&browser=&sort=")
        expect(field).to_be_focused()
        expect(field).to_have_value("maps")
        page.reload()
        expect(cards).to_have_count(1)
        field.fill("mapps")
        expect(page.get_by_text("Nothing matches “mapps”")).to_be_visible()
        page.get_by_role("link", name="Places on maps").click()
        expect(page).to_have_url(f"{server.base_url}/w/other/maps-places")
        assert (watch.errors, watch.foreign) == ([], [])


def test_a_failed_search_keeps_the_field_usable(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/store")
        page.route("**/store?q=new*", lambda route: route.abort(), times=1)
        field = page.get_by_role("searchbox")
        field.fill("new")
        expect(page.get_by_text("Fyke does not respond")).to_be_visible()
        expect(page.locator(".store-card")).to_have_count(4)
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("Fyke does not respond")).not_to_be_visible()
        expect(page).to_have_url(f"{server.base_url}/store?q=new&browser=&sort=")
        page.route("**/store?q=newe*", lambda route: route.abort(), times=1)
        field.fill("newe")
        expect(page.get_by_text("Fyke does not respond")).to_be_visible()
        page.route(
            "**/store?q=news*",
            lambda route: route.fulfill(status=503, body="<section>busy</section>"),
            times=1,
        )
        field.fill("news")
        expect(page.get_by_text("busy")).to_be_visible()
        field.fill("news ")
        expect(page.locator(".store-card")).to_have_count(1)
        expect(page.get_by_text("Fyke does not respond")).not_to_be_visible()


def test_the_old_list_is_dimmed_while_the_new_one_loads(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/store")
        held: list[Route] = []
        page.route("**/store?q=news*", lambda route: held.append(route))
        page.get_by_role("searchbox").fill("news")
        expect(page.locator("#found.htmx-request")).to_be_attached()
        expect(page.locator(".store-card")).to_have_count(4)
        held[0].continue_()
        expect(page.locator("#found.htmx-request")).not_to_be_attached()
        expect(page.locator(".store-card")).to_have_count(1)


def test_the_page_of_a_tab_is_fetched_while_the_tab_is_pressed(
    browser: Browser, server: Served, token: str
) -> None:
    """The click comes 50 to 100 ms after the press, as long as such a page takes."""
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/w/other/maps-places")
        page.wait_for_load_state("networkidle")  # the rules come after the page
        with page.expect_navigation():
            page.get_by_role("link", name="Versions").click(delay=100)
        expect(page.locator("main .tabs [aria-current]")).to_contain_text("Versions")
        entry = "performance.getEntriesByType('navigation')[0].deliveryType"
        assert page.evaluate(entry) == "navigational-prefetch"
        assert watch.errors == []


def test_a_comparison_is_one_column_on_a_phone(
    browser: Browser, server: Served, token: str
) -> None:
    address = "/w/owner/shop-prices/compare?before=v1.0.1&after=v1.0.3"
    for size in (PHONE, {"width": 320, "height": 700}):
        with tab(browser, server.base_url, token, size=size) as (page, watch):
            page.goto(address)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"]
            places = [item.bounding_box() for item in page.locator("main article").all()]
            assert len(places) == 6 and len({place["x"] for place in places if place}) == 1
            inside = page.evaluate(
                "[...document.querySelectorAll('.diff')].every(e => e.scrollWidth <= e.clientWidth)"
            )
            assert inside, "lines wrap, they do not run off"
            open_tab = page.locator(".tabs [aria-current]")
            expect(open_tab).to_be_in_viewport()
            assert watch.errors == []


def test_a_version_is_withdrawn_after_a_page_that_says_what_changes(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/w/owner/shop-prices/versions")
        page.locator("summary", has_text="v1.0.2").click()
        page.get_by_role("link", name="Withdraw").click()
        page.get_by_label("Why").fill("it is slow")
        page.get_by_role("button", name="Withdraw").click()
        said = "v1.0.2 was withdrawn. v1.0.3 is still the current version."
        expect(page.get_by_text(said)).to_be_visible()
        expect(page.get_by_text("it is slow")).to_be_visible()
        assert watch.errors == []
