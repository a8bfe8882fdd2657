"""Pages of nodes in a browser: they refresh themselves, and keep the focus and what is typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.browser import tab
from support.node_seed import seed_nodes
from support.pages import sign_in
from support.served import Served, served

EVERY_MS = 5000


@pytest.fixture
def server(tmp_path: Path, templates: Path) -> Iterator[Served]:
    with served(tmp_path, templates, rate_limit=0) as server:
        server.do(server.app.register_runner())
        server.do(seed_nodes(server.app))
        yield server


@pytest.fixture
def token(server: Served) -> str:
    return server.do(sign_in(server.app.services.sessions, server.app))


def test_the_list_refreshes_and_keeps_the_focus(
    browser: Browser, server: Served, token: str
) -> None:
    app = server.app
    with tab(browser, server.base_url, token) as (page, watch):
        page.clock.install()
        page.goto("/admin/nodes?pool=default")
        link = page.get_by_role("link", name="n1", exact=True)
        link.focus()
        row = page.locator("tr", has=link)
        expect(row).to_contain_text("Connected")
        server.do(app.services.nodes.cordon(app.owner, "n1"))
        page.clock.fast_forward(EVERY_MS)
        expect(row).to_contain_text("Cordoned by owner")
        server.do(app.services.nodes.forget(app.owner, "n3"))
        page.clock.fast_forward(EVERY_MS)
        expect(page.get_by_role("link", name="n3", exact=True)).to_have_count(0)
        expect(link).to_be_focused()
        expect(page.locator("#machines")).to_have_count(1)
    assert watch.errors == watch.foreign == watch.dialogs == []


def test_a_node_is_drained_by_a_click_while_its_page_refreshes(
    browser: Browser, server: Served, token: str
) -> None:
    app = server.app
    with tab(browser, server.base_url, token) as (page, watch):
        page.clock.install()
        page.goto("/admin/nodes/n1")
        minutes = page.get_by_label("Minutes")
        expect(minutes).to_have_value("60")
        minutes.fill("17")
        server.do(app.services.nodes.cordon(app.owner, "n1"))
        page.clock.fast_forward(EVERY_MS)
        expect(page.locator("#live")).to_contain_text("Cordoned by owner")
        expect(minutes).to_have_value("17")
        page.get_by_role("button", name="Drain").click()
        expect(page.locator("main .note")).to_contain_text("n1 takes no new attempts")
        expect(page.locator("#live")).to_contain_text("Drained by owner")
    node = server.do(app.services.nodes.get(app.owner, "n1")).node
    assert node.drain_until - node.state_at == 17 * 60_000
    assert watch.errors == watch.foreign == watch.dialogs == []
