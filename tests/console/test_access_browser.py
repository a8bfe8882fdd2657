"""Access pages in a browser: an uncopied secret survives a wrong click, and use by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from pyotp import TOTP

from fyke.contracts.state import Transaction
from support.app import make_templates
from support.axe import sideways, violations
from support.browser import PHONE, WIDE, tab
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


def test_leaving_the_page_of_an_uncopied_key_asks_for_confirmation_once(
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


def test_an_installation_can_be_set_up_with_the_keyboard_alone(
    browser: Browser, server: Served
) -> None:
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


def test_signing_out_in_one_tab_clears_the_others(browser: Browser, server: Served) -> None:
    token = server.do(sign_in(server.app.services.sessions, server.app))
    with tab(browser, server.base_url, token) as (page, watch):
        other = page.context.new_page()
        other.goto(f"{server.base_url}/settings/account")
        page.goto("/settings/keys")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")
        other.wait_for_url("**/login?next=*")
        assert watch.errors == watch.foreign == []


def test_signing_out_in_one_tab_leaves_a_changed_form_in_another(
    browser: Browser, server: Served
) -> None:
    sessions, app = server.app.services.sessions, server.app
    with tab(browser, server.base_url, server.do(sign_in(sessions, app))) as (page, watch):
        other = page.context.new_page()
        other.goto("/settings/keys/new")
        other.get_by_label("Name").fill("half typed")
        page.goto("/settings/keys")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")
        other.get_by_role("link", name="Sign in in a new tab").wait_for()
        assert other.get_by_label("Name").input_value() == "half typed"
        again = server.do(sign_in(sessions, app))
        page.context.add_cookies([{"name": "fyke_session", "value": again, "url": server.base_url}])
        other.get_by_role("button", name="Create key").click()
        other.locator("#secret").wait_for()
        assert watch.errors == watch.foreign == []


def test_a_form_that_was_kept_back_can_be_sent_after_another(
    browser: Browser, server: Served
) -> None:
    """Two forms of a page have changes, and the visitor stays when the first is sent."""
    token = server.do(sign_in(server.app.services.sessions, server.app))
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/settings/account")
        page.get_by_label("Theme").select_option("dark")
        page.get_by_label("Time zone of schedules").fill("Europe/Vienna")
        save = page.locator("[aria-labelledby=preferences]").get_by_role("button", name="Save")
        for _ in range(2):
            with page.expect_event("dialog") as asked:
                save.click()
            assert asked.value.type == "beforeunload"
        assert watch.errors == watch.foreign == []


def test_a_second_factor_can_be_set_up_and_used(browser: Browser, server: Served) -> None:
    services, owner = server.app.services, server.app.owner
    _, link = server.do(services.users.invite(owner, "ada", "member"))
    with tab(browser, server.base_url) as (page, watch):
        page.goto(link.path)
        page.locator("#f-password").fill(PASSWORD)
        page.get_by_role("button", name="Set password").click()
        page.wait_for_url(lambda url: "/invite" not in url)
        page.goto("/settings/second-factor")
        assert_fine(page)
        page.get_by_role("button", name="Set up").click()
        picture = page.get_by_role("img", name="QR code of the secret below")
        area = picture.locator("svg").bounding_box()
        assert area is not None and area["width"] == area["height"] > 150
        assert_fine(page)
        secret = page.locator("output").inner_text().replace(" ", "")
        page.get_by_label("Verification code").fill(TOTP(secret).now())
        page.get_by_role("button", name="Switch on").click()
        codes = page.locator("#secret").inner_text().split()
        assert len(codes) == 10
        assert_fine(page)
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("link", name="Done").click()
        assert_fine(page)
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Name").fill("ada")
        page.locator("#f-password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Enter a code").wait_for()
        assert_fine(page)
        page.get_by_label("Verification code").fill(codes[0])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        server.do(forget_confirmation(server, "ada"))
        page.goto("/settings/second-factor")
        page.get_by_role("button", name="New recovery codes").click()
        page.get_by_role("button", name="Replace").click()
        page.get_by_role("heading", name="Confirm that it is you").wait_for()
        assert_fine(page)
        page.locator("#f-password").fill(PASSWORD)
        page.get_by_label("Verification code").fill(codes[1])
        page.get_by_role("button", name="Confirm").click()
        page.get_by_role("heading", name="Recovery codes created").wait_for()
        assert watch.errors == watch.foreign == []


def assert_fine(page: Page) -> None:
    """Check the current page in both themes and on a phone."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of its literals
        assert violations(page) == [], theme
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a dict with these two keys
    assert sideways(page) == []
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")


async def forget_confirmation(server: Served, name: str) -> None:
    """Let the confirmations of the user's sessions expire."""
    storage = server.app.storage

    def work(tx: Transaction) -> None:
        user = tx.accounts.user_by_name(name)
        for session in tx.sessions.of_user(user.id if user else ""):
            tx.sessions.verify(session.id, session.digest, 1)

    await storage.write(work)
    server.app.services.sessions.forget()
