"""The settings of a Worker: its page, run options, visibility, deletion."""

from __future__ import annotations

from support.app import App
from support.console_workers import add_versions
from support.pages import Visitor, visitor

WORKER = "/w/owner/shop-prices"


async def test_settings_are_saved_and_errors_keep_the_typed_values(
    app: App, owner: Visitor
) -> None:
    await add_versions(app)
    at = f"{WORKER}/settings"
    wrong = await owner.post(
        at,
        {"title": "New", "description": "typed", "icon": "ftp://x", "categories": ["7"]},
        status=422,
    )
    assert wrong.value("description") == "typed" and wrong.value("icon") == "ftp://x"
    assert wrong.one("//*[@id='faults']//a").get("href") == "#f-icon"
    assert wrong.one("//input[@name='categories'][@checked]").get("value") == "7"
    blank = await owner.post(at, {"title": "  ", "description": "kept"}, status=422)
    assert "Enter a title for the Worker." in blank.text and blank.value("description") == "kept"
    saved = {"title": "Prices", "description": "a\r\nb", "icon": "", "categories": ["7", "3"]}
    await owner.post(at, saved)
    worker = await app.services.workers.find(app.owner, "owner/shop-prices")
    assert (worker.title, worker.description, worker.categories) == ("Prices", "a\nb", (3, 7))
    async with visitor(app, app.other.user_id) as other:
        await other.post(at, saved, status=403)


async def test_default_run_options_are_set_for_all_versions(app: App, owner: Visitor) -> None:
    await add_versions(app)
    at = f"{WORKER}/settings/run-options"
    typed = {
        "memory": "2048", "execute_limit_time_seconds": "soon",
        "max_total_charge": "-1", "max_total_traffic": "12.5", "max_retries": "2",
    }  # fmt: skip
    wrong = await owner.post(at, typed, status=422)
    assert {link.get("href") for link in wrong.all("//*[@id='faults']//a")} == {
        "#f-execute_limit_time_seconds", "#f-max_total_charge",
    }  # fmt: skip
    assert {name: wrong.value(name) for name in typed} == typed, "nothing is lost"
    await owner.post(at, typed | {"execute_limit_time_seconds": "90", "max_total_charge": "0.5"})
    page = await owner.get(f"{WORKER}/settings")
    assert page.value("memory") == "2048" and page.value("max_total_traffic") == "12.5"
    form = await owner.get(f"{WORKER}?version=v1.0.2")
    line = form.one("//*[contains(@class,'options-line')]").text_content()
    options = "2048 MB · 1 min 30 s · at most $0.50 · at most 12.5 MB · 2 retries · any region"
    assert line == options, "the form of every version shows the run options"
    async with visitor(app, app.other.user_id) as other:
        await other.post(at, typed, status=403)


async def test_a_worker_can_be_made_private_and_public_again(app: App, owner: Visitor) -> None:
    await add_versions(app)
    at = f"{WORKER}/settings"
    await owner.post(f"{at}/private", {})
    async with visitor(app, app.other.user_id) as other:
        await other.get(f"{WORKER}/readme", status=404)
        await owner.post(f"{at}/publish", {})
        await other.get(f"{WORKER}/readme")
    await owner.post(f"{at}/take-back", {})
    assert "No version is waiting for review." in (await owner.get(at)).text


async def test_deleting_requires_the_name(app: App, owner: Visitor) -> None:
    await add_versions(app)
    at = f"{WORKER}/settings/delete"
    refused = await owner.post(at, {"name": "shop"}, status=422)
    assert "Enter shop-prices to confirm." in refused.text
    async with visitor(app, app.other.user_id) as other:
        await other.post(at, {"name": "shop-prices"}, status=403)
    done = await owner.post(at, {"name": " shop-prices "})
    assert done.location == "/dev/workers"
    assert "Shop prices was deleted." in (await owner.get("/dev/workers")).text
    await owner.get(f"{WORKER}/readme", status=404)
