"""Chats and mail in a browser: a form that shows its service's fields, tests, and an alert rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.axe import violations
from support.browser import tab
from support.chat_services import ChatServices, chat_services
from support.pages import sign_in
from support.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("notices"), templates, rate_limit=0) as server:
        yield server


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    return server.do(sign_in(server.app.services.sessions, server.app))


@pytest.fixture(scope="module")
def services() -> Iterator[ChatServices]:
    with chat_services() as services:
        yield services


@pytest.mark.parametrize("channel", ["slack", "teams", "discord"])
def test_a_chat_is_added_tested_and_named_in_a_rule(
    browser: Browser, server: Served, token: str, services: ChatServices, channel: str
) -> None:
    name = f"ops {channel}"
    with tab(browser, server.base_url, token, bypass_csp=True) as (page, watch):
        page.goto(f"/settings/webhooks/new?channel={channel}")
        main = page.locator("main")
        expect(main.get_by_label("Bot token")).to_be_hidden()
        main.get_by_label("Name").fill(name)
        main.get_by_label("Address").fill("https://api.telegram.org/bot1:x/sendMessage?chat_id=1")
        main.get_by_role("button", name="Create webhook").click()
        fault = main.locator("#f-url-fault")
        expect(fault).to_contain_text("This is an address of Telegram; choose Telegram")
        main.get_by_label("Address").fill(services.url(channel))
        main.get_by_role("button", name="Create webhook").click()
        added = main.get_by_text("The chat was added.")
        expect(added).to_be_visible()
        main.get_by_role("button", name="Send test").click()
        trial = main.locator("#trial")
        expect(trial).to_contain_text("Accepted")
        expect(added).to_have_count(0)
        assert services.taken[-1][0] == channel
        assert violations(page) == []
        page.goto("/alerts/rules/new")
        main.get_by_label("Name").fill(f"to {channel}")
        main.get_by_role("checkbox", name=name).check()
        main.get_by_role("button", name="Create rule").click()
        expect(main.get_by_role("row", name=f"to {channel}")).to_contain_text(name)
        assert (watch.errors, watch.foreign) == ([], [])


def test_the_fields_of_telegram_are_shown_for_telegram(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/settings/webhooks/new")
        main = page.locator("main")
        expect(main.get_by_label("Address")).to_be_visible()
        main.get_by_label("Send to").select_option("telegram")
        expect(main.get_by_label("Address")).to_be_hidden()
        main.get_by_label("Name").fill("phone")
        main.get_by_label("Bot token").fill("wrong")
        main.get_by_label("Chat ID").fill("5")
        main.get_by_role("button", name="Create webhook").click()
        expect(main.locator("#f-token-fault")).to_contain_text("Must be a number, a colon")
