"""The store: search, presentation, and what other accounts can see."""

from __future__ import annotations

from fyke.domain.runs.service import StartRequest
from fyke.domain.workers.page import PageChange
from fyke.model.run import Origin, Outcome
from support.app import App
from support.pages import Page, Visitor, visitor

INPUT = {"parameters": {"custom": {"urls": [{"url": "https://example.org/"}]}}}


def titles(page: Page) -> list[str]:
    return [item.text_content() for item in page.all("//li[contains(@class,'store-card')]//h2")]


def chips(page: Page) -> dict[str, str]:
    """Label of each category to its address."""
    found = page.all("//nav[@aria-label='Categories']/a")
    return {" ".join(item.text_content().split()): item.get("href") for item in found}


async def fill(app: App) -> None:
    workers = app.services.workers
    for name, category in (("maps", 5), ("places", 5), ("jobs", 7)):
        worker = await app.publish(name, caller=app.other)
        page = PageChange(f"The {name}", f"Reads {name}.", (category,))
        await workers.change_page(app.other, worker.id, page)
    await app.publish("secret", caller=app.other, public=False)


async def run(app: App, name: str, outcome: Outcome, caller: object = None) -> None:
    who = caller or app.owner
    request = StartRequest(f"other/{name}", None, INPUT, "", Origin.WEB)
    await app.services.runs.start(who, request)  # type: ignore[arg-type]  # a Caller either way
    await app.execute([{"a": 1}], outcome)


async def test_workers_are_found_by_text_and_category(app: App, owner: Visitor) -> None:
    await fill(app)
    page = await owner.get("/store")
    assert titles(page) == ["The jobs", "The places", "The maps"]
    assert "secret" not in page.text
    found = chips(page)
    assert list(found) == ["All 3", "Places and maps 2", "Jobs 1"]
    assert titles(await owner.get(found["Places and maps 2"])) == ["The places", "The maps"]
    page = await owner.get("/store?q=READS+maps")
    assert titles(page) == ["The maps"]
    assert list(chips(page)) == ["All 1", "Places and maps 1"]
    assert titles(await owner.get("/store?sort=name")) == ["The jobs", "The maps", "The places"]
    async with visitor(app, app.other.user_id) as other:
        assert "The secret" in titles(await other.get("/store"))


async def test_a_search_without_results_proposes_similar_names(app: App, owner: Visitor) -> None:
    await fill(app)
    page = await owner.get("/store?q=plaecs")
    assert "Nothing matches “plaecs”" in page.text
    assert page.one("//a[normalize-space()='Clear search']").get("href") == "/store"
    assert page.one("//div[contains(@class,'store-near')]//a").text_content() == "The places"
    page = await owner.get("/store?q=maps&category=7")
    elsewhere = page.one("//a[normalize-space()='Search all categories']").get("href")
    assert titles(await owner.get(elsewhere)) == ["The maps"]
    assert titles(await owner.get("/store?category=x&page=-1&sort=odd")) != []
    assert "No Workers yet" not in (await owner.get("/store?q=%00&page=9")).text


async def test_figures_cover_all_accounts_without_other_data_of_them(
    app: App, owner: Visitor
) -> None:
    await fill(app)
    for outcome in (Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.EXIT_CODE, Outcome.ABORTED):
        await run(app, "maps", outcome)
    await run(app, "maps", Outcome.SUCCEEDED, app.other)
    page = await owner.get("/store")
    assert titles(page)[0] == "The maps", "the most used comes first"
    card = page.all("//li[contains(@class,'store-card')]")[0].text_content()
    assert "5 runs" in card and "last successful run" in card
    assert len(page.all("//svg[@class='run-bars']/a")) == 4, "only the runs of this account"
    async with visitor(app, app.other.user_id) as other:
        runs = await other.get("/w/other/maps/runs")
        assert len(runs.all("//tbody/tr")) == 1, "runs of others are guest's business"


RATE = "//li//span[contains(.,'succeeded') and @title]"


async def test_the_success_rate_is_that_of_the_bars_beside_it(app: App, owner: Visitor) -> None:
    await fill(app)
    await run(app, "maps", Outcome.SUCCEEDED, app.other)
    for outcome in (Outcome.RUNNER_LOST, Outcome.SUCCEEDED, Outcome.SUCCEEDED):
        await run(app, "maps", outcome)
    of_bars = "Your account's last runs: 2 succeeded, 1 failed"
    for page in ("/store?q=maps", "/w/other/maps/readme"):
        rate = (await owner.get(page)).one(RATE)
        assert rate.text_content() == "67% of your last runs succeeded"
        assert rate.get("title") == of_bars


async def test_without_runs_of_the_account_the_success_rate_is_that_of_all(
    app: App, owner: Visitor
) -> None:
    await fill(app)
    for outcome in (Outcome.SUCCEEDED, Outcome.EXIT_CODE, Outcome.ABORTED):
        await run(app, "maps", outcome, app.other)
    for page in ("/store?q=maps", "/w/other/maps/readme"):
        rate = (await owner.get(page)).one(RATE)
        item = " ".join(rate.getparent().text_content().split())
        assert "All accounts:" in item and "50% succeeded" in item
        assert rate.get("title") == "of the last 2 runs of all accounts"


async def test_htmx_requests_get_only_the_list(app: App, owner: Visitor) -> None:
    await fill(app)
    part = await owner.get("/store?q=jobs", part=True)
    assert titles(part) == ["The jobs"]
    assert not part.all("//h1") and not part.all("//*[@id='found']"), "only the results"


async def test_favourites_are_marked_and_listed(app: App, owner: Visitor) -> None:
    await fill(app)
    marked = {"marked": "1", "back": "/store?q=maps"}
    done = await owner.post("/w/other/maps/favourite", marked)
    assert done.location == "/store?q=maps"
    page = await owner.get("/store?marked=1")
    assert titles(page) == ["The maps"]
    assert page.one("//button[@aria-pressed='true']").get("aria-label") == "Favourite: The maps"
    async with visitor(app, app.other.user_id) as other:
        assert "No favourites yet" in (await other.get("/store?marked=1")).text
    away = await owner.post("/w/other/maps/favourite", {"marked": "", "back": "//evil.example/"})
    assert away.location == "/"
    assert "No favourites yet" in (await owner.get("/store?marked=1")).text
    await owner.post("/w/other/secret/favourite", marked, status=404)


async def test_favourites_are_searched_too(app: App, owner: Visitor) -> None:
    await fill(app)
    for name in ("maps", "jobs"):
        await owner.post(f"/w/other/{name}/favourite", {"marked": "1"})
    assert titles(await owner.get("/store?marked=1")) == ["The jobs", "The maps"]
    assert titles(await owner.get("/store?marked=1&q=READS+MAPS")) == ["The maps"]
    page = await owner.get("/store?marked=1&q=places")
    assert "Nothing matches “places”" in page.text
    everywhere = page.one("//a[normalize-space()='Search all categories']").get("href")
    assert titles(await owner.get(everywhere)) == ["The places"]


async def test_long_lists_are_paged(app: App, owner: Visitor) -> None:
    for n in range(26):
        await app.publish(f"w{n:02d}")
    page = await owner.get("/store?sort=new")
    assert len(titles(page)) == 24 and "1 to 24 of 26" in page.text
    onward = page.one("//a[@rel='next']").get("href")
    page = await owner.get(onward)
    assert titles(page) == ["The w01", "The w00"]
    assert page.one("//a[@rel='prev']").get("href") == "/store?sort=new"


async def test_an_empty_store_and_an_overlong_search_have_explanations(owner: Visitor) -> None:
    assert "No Workers yet" in (await owner.get("/store")).text
    assert "Nothing matches" in (await owner.get(f"/store?q={'x' * 2000}")).text
