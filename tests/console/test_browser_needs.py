"""Whether a version uses a browser, on the pages of the store, of a Worker and of its versions."""

from __future__ import annotations

from support.app import App
from support.pages import Page, Visitor

USES_ONE = "from sdk import CoreSDK\nimport os\nos.environ['ChromeWs']\n"


def cards(page: Page) -> dict[str, str]:
    """The text of each card by the title of its Worker."""
    found = page.all("//li[contains(@class,'store-card')]")
    return {item.xpath(".//h2")[0].text_content(): item.text_content() for item in found}


async def test_the_store_shows_and_filters_by_the_use_of_a_browser(
    app: App, owner: Visitor
) -> None:
    await app.publish("always", browser="required")
    await app.publish("detected", main=USES_ONE)
    await app.publish("plain")
    shown = cards(await owner.get("/store"))
    assert "needs a browser" in shown["The always"]
    assert "uses a browser" in shown["The detected"]
    assert "browser" not in shown["The plain"]
    page = await owner.get("/store?browser=with&sort=name")
    assert list(cards(page)) == ["The always", "The detected"]
    assert page.value("browser") == "with"
    assert "browser=with" in page.one("//nav[@aria-label='Categories']/a[1]").get("href")
    assert list(cards(await owner.get("/store?browser=without"))) == ["The plain"]
    assert len(cards(await owner.get("/store?browser=odd"))) == 3
    page = await owner.get("/store?browser=with&q=plain")
    assert "Nothing matches" in page.text and "No Workers yet" not in page.text


async def test_the_pages_of_a_worker_show_the_use_of_a_browser(app: App, owner: Visitor) -> None:
    await app.publish(main=USES_ONE)
    page = await owner.get("/w/owner/reader")
    assert "uses a browser" in page.one("//ul[@class='worker-facts']").text_content()
    page = await owner.get("/w/owner/reader/versions")
    assert "yes (detected)" in page.text and "so each run reserves one" in page.text
    for declared, word in (("required", "always"), ("optional", "in some runs"), ("none", "never")):
        await app.publish(main=USES_ONE, browser=declared)
        page = await owner.get("/w/owner/reader/versions")
        latest = page.all("//dt[normalize-space()='Browser']/following-sibling::dd[1]")[0]
        assert latest.text == word
    page = await owner.get("/w/owner/reader/compare?before=v1.0.2&after=v1.0.3")
    assert "Uses a browser: in some runs" in " ".join(page.text.split())


async def test_the_form_refuses_a_start_without_the_required_browser(
    app: App, owner: Visitor
) -> None:
    await app.publish(browser="required")
    await app.register_runner(browser_problem="no seccomp")
    text = (await owner.get("/w/owner/reader")).text
    assert "The run would be refused: this version requires a browser" in text
    assert "no seccomp" in text
    await app.register_runner(browsers=1)
    assert "The run would be refused" not in (await owner.get("/w/owner/reader")).text
