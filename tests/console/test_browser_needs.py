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


def option_fields(page: Page) -> list[str]:
    """The names of the run options on a page with a form."""
    grids = "//div[contains(@class,'option-grid')]"
    names = [item.get("name") for item in page.all(f"{grids}//*[starts-with(@name,'s:')]")]
    return list(dict.fromkeys(name.split(":")[1] for name in names))


async def test_forms_offer_options_of_a_browser_where_runs_have_one(
    app: App, owner: Visitor
) -> None:
    of_browser = ["browser_memory", "browser", "browser_program", "browser_block"]
    worker = await app.publish(browser="optional")
    block = {"parameters": {"system": {"browser_block": ["images"]}, "custom": {}}}
    block["parameters"]["custom"] = {"urls": [{"url": "https://a.example"}]}
    task = await app.services.tasks.create(app.owner, worker.id, "Daily", block, None)
    assert option_fields(await owner.get("/w/owner/reader"))[-4:] == of_browser
    assert option_fields(await owner.get(f"/tasks/{task.id}/edit"))[-4:] == of_browser
    await app.publish(browser="none")
    assert not {*option_fields(await owner.get("/w/owner/reader"))} & {*of_browser}
    # what a task has already can be seen and removed
    for address in (f"/tasks/{task.id}/edit", f"/w/owner/reader?task={task.id}"):
        page = await owner.get(address)
        assert option_fields(page)[-1] == "browser_block"
        assert "browser_memory" not in option_fields(page)
    assert '"Not loaded by browsers" is for the browser, and this version' in page.text


async def test_a_task_with_an_option_that_its_version_cannot_have_is_not_saved(
    app: App, owner: Visitor
) -> None:
    worker = await app.publish(browser="none")
    task = await app.services.tasks.create(app.owner, worker.id, "Daily", {}, None)
    fields = {"view": "json", "json_text": '{"urls": [{"url": "https://a.example"}]}'}
    fields |= {"title": "Daily", "description": "", "version": "", "revision": "0", "do": "save"}
    fields["s:browser_block"] = "images"
    refused = await owner.post(f"/tasks/{task.id}/edit", fields, status=422)
    assert '"Not loaded by browsers" is for the browser, and this version' in refused.text
