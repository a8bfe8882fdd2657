"""What only a browser shows: a secret that a wrong click does not lose, and the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from support.app import make_templates
from support.browser import tab
from support.pages import sign_in
from support.served import Served, served

PASSWORD = "a long enough secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("access")
    (folder / "templates").mkdir()
    (folder / "data").mkdir()
    with served(folder / "data", make_templates(folder / "templates"), rate_limit=0) as server:
        yield server


def new_key(page: Page, name: str) -> str:
    page.goto("/settings/keys/new")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create key").click()
    return page.locator("#secret").inner_text()


def test_a_key_that_was_not_copied_asks_once_before_it_is_gone(
    browser: Browser, server: Served
) -> None:
    token = server.do(sign_in(server.app.services.sessions, server.app))
    rights = ["clipboard-read", "clipboard-write"]
    with tab(browser, server.base_url, token, permissions=rights) as (page, watch):
        first = new_key(page, "first")
        page.locator("#secret").click()
        with page.expect_event("dialog") as asked:
            page.get_by_role("link", name="Done").click()
        assert asked.value.type == "beforeunload"
        assert page.locator("#secret").inner_text() == first
        page.get_by_role("link", name="Done").click()
        page.wait_for_url("**/settings/keys")
        second = new_key(page, "second")
        page.get_by_role("button", name="Copy").click()
        page.locator("#notices", has_text="Copied").wait_for(state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == second
        page.get_by_role("link", name="Done").click()
        page.wait_for_url("**/settings/keys")
        assert len(watch.dialogs) == 1
        assert watch.errors == watch.foreign == []


def test_an_installation_is_set_up_by_keyboard(browser: Browser, server: Served) -> None:
    link = server.do(server.app.services.users.link(server.app.owner, "owner"))
    with tab(browser, server.base_url) as (page, watch):
        page.goto(link.path)
        page.get_by_label("Password", exact=False).first.focus()
        page.keyboard.type("short")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.locator("#f-password").get_attribute("type") == "text"
        page.locator("#f-password").press("Enter")
        page.locator("#faults").wait_for()
        assert page.evaluate("document.activeElement.id") == "faults"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "f-password"
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Fyke is ready").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Name").fill("owner")
        page.get_by_label("Password", exact=False).first.fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: not url.endswith("/login"))
        page.goto("/settings/account")
        assert "This is the only session" in page.inner_text("main")
        assert [error for error in watch.errors if "404" not in error and "422" not in error] == []
