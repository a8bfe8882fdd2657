"""Search for everything: what is found, for whom, and how the palette gets it."""

from __future__ import annotations

import threading

import pytest

from fyke.console.guide import Guide, GuideHit
from fyke.domain.finder import LATEST, MAX_EACH
from fyke.domain.runs.service import StartRequest
from fyke.domain.workers.page import PageChange
from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.run import Origin
from support.app import App
from support.pages import Page, Visitor, visitor

pytestmark = pytest.mark.anyio

INPUT = {"parameters": {"custom": {"urls": [{"url": "https://example.org/"}]}}}


def found(page: Page) -> dict[str, list[str]]:
    """The addresses of the results by the label of their group."""
    return {
        section.xpath("h2")[0].text_content(): section.xpath(".//a/@href")
        for section in page.all("//*[@id='found']/section")
    }


async def started(app: App, number: int = 1, caller: object = None) -> list[str]:
    """Ids of new runs of the Worker ``owner/reader``, oldest first."""
    who = caller or app.owner
    request = StartRequest("owner/reader", None, INPUT, "", Origin.WEB)
    return [(await app.services.runs.start(who, request)).id for _ in range(number)]  # type: ignore[arg-type]  # a Caller either way


async def test_each_kind_is_found_by_its_name(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    await app.publish("secret", caller=app.other, public=False)
    task = await app.services.tasks.create(app.owner, worker.id, "Read news", INPUT, "")
    [run_id] = await started(app)
    results = found(await owner.get("/find?q=reader"))
    assert results["Workers"] == ["/w/owner/reader"]
    assert results["Runs"] == [f"/runs/{run_id}"], "those of the Worker that matches"
    assert found(await owner.get("/find?q=NEWS"))["Tasks"] == [f"/tasks/{task.id}"]
    assert "Workers" not in found(await owner.get("/find?q=secret")), "it is another account's"
    assert found(await owner.get("/find?q=audit"))["Pages"] == ["/settings/audit"]
    assert found(await owner.get("/find?q=api+create"))["Actions"] == ["/settings/keys/new"]
    for text, address in (
        ("new+task", "/store"),
        ("new+schedule", "/tasks"),
        ("new+key", "/settings/keys/new"),
        ("new+channel", "/settings/webhooks/new"),
        ("new+alert+rule", "/alerts/rules/new"),
    ):
        assert address in found(await owner.get(f"/find?q={text}"))["Actions"], text
    page = await owner.get("/find?q=%00zzz%25")
    assert "Nothing matches “zzz%”" in page.text and found(page) == {}


async def test_the_kind_with_a_name_that_begins_with_the_text_is_first(
    app: App, owner: Visitor
) -> None:
    worker = await app.publish("prices")
    page = PageChange("Price checker", "Reads prices.")
    await app.services.workers.change_page(app.owner, worker.id, page)
    assert list(found(await owner.get("/find?q=price")))[:2] == ["Workers", "Pages"]
    assert list(found(await owner.get("/find?q=plans")))[:1] == ["Pages"]
    assert list(found(await owner.get("/find?q=checker")))[:1] == ["Workers"]


async def test_runs_are_found_by_both_ends_of_their_id(app: App, owner: Visitor) -> None:
    await app.publish()
    [first, *_, last] = await started(app, MAX_EACH + 2)
    assert LATEST > MAX_EACH
    for text in (first, first.lower(), first[-8:].lower(), f"…{first[-8:]}"):
        assert found(await owner.get(f"/find?q={text}"))["Runs"] == [f"/runs/{first}"], text
    latest = found(await owner.get("/find"))["Latest runs"]
    assert latest[0] == f"/runs/{last}" and len(latest) == MAX_EACH
    async with visitor(app, app.other.user_id) as other:
        assert found(await other.get(f"/find?q={first}")) == {}, "another account's run"
        assert "Latest runs" not in found(await other.get("/find"))


async def test_the_palette_offers_the_export_of_the_open_run(app: App, owner: Visitor) -> None:
    await app.publish()
    [run] = await started(app)
    action = "//*[@aria-label='Actions']/a"
    assert not (await owner.get("/find/options?q=exp+rows", part=True)).all(action)
    owner.http.headers["hx-current-url"] = f"http://127.0.0.1/runs/{run}/log?page=2"
    page = await owner.get("/find/options?q=exp+rows", part=True)
    assert page.one(action).get("href") == f"/runs/{run}/export"
    await owner.get(f"/runs/{run}/export")


async def test_each_latest_run_has_its_time(app: App, owner: Visitor) -> None:
    await app.publish()
    [run] = await started(app)
    entry = (await owner.get("/find/options", part=True)).one(f"//a[@href='/runs/{run}']")
    assert "Waiting" in entry.text_content() and entry.xpath(".//time")


async def test_a_viewer_is_offered_what_a_viewer_may_open(app: App) -> None:
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.services.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        listed = found(await someone.get("/find"))
        assert (
            "/dev/upload" not in listed["Actions"]
            and "/settings/users/invite" not in listed["Actions"]
        )
        assert "/settings/audit" not in listed["Pages"]
        for addresses in listed.values():
            for address in dict.fromkeys(addresses):
                await someone.get(address)  # each opens


async def test_the_palette_gets_options(app: App, owner: Visitor) -> None:
    await app.publish()
    page = await owner.get("/find/options?q=reader", part=True)
    options = page.all("//*[@role='group']/a[@role='option']")
    assert [option.get("href") for option in options] == ["/w/owner/reader"]
    assert len({option.get("id") for option in options}) == len(options)
    assert "One result" in page.text
    base = await owner.get("/usage")
    assert base.one("//input[@role='combobox']").get("aria-controls") == "palette-options"
    assert base.one("//a[@data-palette]").get("href") == "/find", "without a script, the page"


async def test_the_documentation_is_not_searched_in_the_event_loop(
    app: App, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, used = threading.get_ident(), set()

    def search(self: Guide, text: str, limit: int, *, titles: bool = False) -> list[GuideHit]:
        used.add((threading.get_ident() == loop, titles))
        return []

    monkeypatch.setattr(Guide, "search", search)
    await owner.get("/find/options?q=zzzqqq", part=True)
    assert used == {(False, True), (False, False)}


async def test_single_keys_can_be_switched_off(app: App, owner: Visitor) -> None:
    page = await owner.get("/help/keys")
    assert "data-keys" not in page.tree.getroottree().getroot().attrib
    await owner.post("/help/keys")
    page = await owner.get("/help/keys")
    assert page.tree.getroottree().getroot().get("data-keys") == "off"
    await owner.post("/help/keys", {"on": "1"})
    page = await owner.get("/help/keys")
    assert "data-keys" not in page.tree.getroottree().getroot().attrib


async def test_keys_have_the_names_on_the_keyboard_in_every_language(
    app: App, owner: Visitor
) -> None:
    headers = {"accept": "text/html", "accept-language": "zh-CN"}
    page = (await owner.http.get("/help/keys", headers=headers)).text
    for key in ("Enter", "Backspace", "Home", "End"):
        assert f"<kbd>{key}</kbd>" in page


async def test_a_view_of_runs_can_be_copied_as_a_link(app: App, owner: Visitor) -> None:
    await app.publish()
    await started(app)
    page = await owner.get("/runs?state=ready")
    button = page.one("//button[contains(., 'Copy link')]")
    assert button.get("data-copy") == "http://127.0.0.1/runs?state=ready"
    assert not (await owner.get("/runs")).all("//button[contains(., 'Copy link')]")


async def test_similar_names_are_proposed_where_nothing_matches(app: App, owner: Visitor) -> None:
    await app.publish("widgets")
    await app.publish("widgeta", caller=app.other, public=False)
    page = await owner.get("/find?q=widgt")
    assert found(page) == {"Did you mean": ["/w/owner/widgets"]}
    assert "Nothing matches “widgt”" in page.text
    assert "/alerts" in found(await owner.get("/find?q=alrts"))["Did you mean"]
    mine = await owner.get("/dev/workers?q=widgt")
    assert mine.all("//*[contains(@class, 'store-near')]//a/@href") == ["/w/owner/widgets"]
