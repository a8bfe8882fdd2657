"""The documentation in the console: index, pages, search, and the link from every page."""

from __future__ import annotations

import pytest

from support.pages import Visitor

pytestmark = pytest.mark.anyio


async def test_pages_are_shown_and_found(owner: Visitor, guest: Visitor) -> None:
    page = await owner.get("/guide")
    assert {"/guide/how-to/alerts", "/guide/recipes", "/guide/recipes/pagination"} <= set(
        page.all("//main//ul//a/@href")
    )
    page = await owner.get("/guide/how-to/alerts")
    assert page.one("//h1").text_content() == "Alerts"
    assert page.all("//h2[@id='guarantees']")
    assert "/guide/how-to/webhooks#chats" in page.all("//article//a/@href")
    page = await owner.get("/guide/recipes/scrapy")
    assert page.all("//details[@open]/summary")[0].text_content() == "Recipes"
    assert page.all("//select//option[@selected]/@value") == ["/guide/recipes/scrapy"]
    part = await owner.get("/guide?q=webhooks", part=True)
    assert part.all("//li/a")[0].text_content().strip() == "Webhooks"
    assert "Nothing matches" in (await owner.get("/guide?q=zzzqqq")).text
    for missing in ("/guide/nothing", "/guide/../pyproject", "/guide/how-to/%2e%2e/index"):
        await owner.get(missing, status=404)
    await guest.get("/guide/tutorial")


async def test_each_page_links_to_its_help(owner: Visitor) -> None:
    for address, name in (
        ("/alerts", "how-to/alerts"),
        ("/settings/webhooks/new", "how-to/webhooks"),
        ("/usage", "how-to/limits-and-prices"),
        ("/find", "how-to/console"),
    ):
        page = await owner.get(address)
        link = page.one("//a[@aria-label='Help with this page']")
        assert link.get("href") == f"/guide/{name}"


async def test_the_palette_finds_headings(owner: Visitor) -> None:
    page = await owner.get("/find/options?q=guarantees", part=True)
    assert "/guide/how-to/alerts#guarantees" in page.all("//a[@role='option']/@href")
    page = await owner.get("/find/options?q=slack", part=True)  # in no title
    assert "/guide/how-to/webhooks#chats" in page.all("//a[@role='option']/@href")
