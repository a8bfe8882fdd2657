"""Versions: compared, taken out of use and back, rolled back to; and the settings of a worker."""

from __future__ import annotations

from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from support.app import App
from support.console_workers import add_versions
from support.pages import Page, Visitor, visitor

SHELVED = "/w/owner/shop-prices"


def states(page: Page) -> dict[str, str]:
    """Number of each version to its state in words."""
    found = {}
    for each in page.all("//ul[@class='versions']/li"):
        number = each.xpath(".//h2")[0].text_content()
        words = each.xpath(".//div[@class='row'][h2]//span[contains(@class,'state')]")
        tags = each.xpath(".//div[@class='row'][h2]//span[@class='tag']")
        found[number] = " ".join(one.text_content().strip() for one in [*words, *tags])
    return found


async def test_versions_are_taken_out_of_use_with_a_reason(app: App, owner: Visitor) -> None:
    await add_versions(app)
    page = await owner.get(f"{SHELVED}/versions")
    assert states(page) == {
        "v1.0.3": "in use latest", "v1.0.2": "in use", "v1.0.1": "deprecated",
    }  # fmt: skip
    done = await owner.post(f"{SHELVED}/versions/v1.0.3/withdraw", {"reason": "<b>leaks</b>"})
    assert done.location == f"{SHELVED}/versions"
    page = await owner.get(f"{SHELVED}/versions")
    assert states(page)["v1.0.3"] == "withdrawn" and states(page)["v1.0.2"] == "in use latest"
    assert "<b>leaks</b>" in page.text
    async with visitor(app, app.other.user_id) as other:
        seen = await other.get(f"{SHELVED}/versions")
        assert "<b>leaks</b>" in seen.text, "its users read why"
        assert not seen.all("//form[contains(@action, 'withdraw')]")
        await other.post(f"{SHELVED}/versions/v1.0.2/withdraw", {}, status=403)
    await owner.post(f"{SHELVED}/versions/v1.0.3/restore", {})
    assert states(await owner.get(f"{SHELVED}/versions"))["v1.0.3"] == "in use latest"


async def test_rolling_back_publishes_the_old_files_again(app: App, owner: Visitor) -> None:
    await add_versions(app)
    await owner.post(f"{SHELVED}/versions/v1.0.1/rollback", {})
    page = await owner.get(f"{SHELVED}/versions")
    assert states(page)["v1.0.4"] == "in use latest"
    assert "v1.0.1 were published as v1.0.4" in page.text
    versions = await app.services.workers.versions(app.owner, "owner/shop-prices")
    by_number = {version.number: version.digest for version in versions}
    assert by_number["v1.0.4"] == by_number["v1.0.1"]
    worker = await app.services.workers.find(app.owner, "owner/shop-prices")
    assert worker.title == "Shop prices" and worker.categories == (3, 1)
    await owner.post(f"{SHELVED}/versions/v1.0.4/rollback", {})
    assert "has these very files already" in (await owner.get(f"{SHELVED}/versions")).text


async def test_two_versions_side_by_side(app: App, owner: Visitor) -> None:
    await add_versions(app)
    page = await owner.get(f"{SHELVED}/compare?before=v1.0.1&after=v1.0.3")
    chosen = page.all("//main//select/option[@selected]")
    assert [each.text_content() for each in chosen] == ["v1.0.1", "v1.0.3"]
    words = page.one("//section[@aria-labelledby='schema']//ul").text_content()
    assert "max_results" in words and "changed its default from" in words
    changed = page.one("//article[.//h3='main.py']")
    [gone], [new] = changed.xpath(".//del"), changed.xpath(".//ins")
    assert gone.text_content().startswith("removed: ") and '"urls"]:' in gone.text_content()
    assert new.text_content().startswith("added: ") and '"urls"] * 3:' in new.text_content()
    same = await owner.get(f"{SHELVED}/compare?before=v1.0.2&after=v1.0.2")
    assert "The files of the two versions are identical" in same.text
    fallback = await owner.get(f"{SHELVED}/compare")
    assert "v1.0.2 → v1.0.3" in fallback.text
    wrong = await owner.get(f"{SHELVED}/compare?before=v9&after=v1.0.1", status=422)
    assert "does not exist" in wrong.text
    async with visitor(app, app.other.user_id) as other:
        seen = await other.get(f"{SHELVED}/compare?before=v1.0.1&after=v1.0.3")
        assert "currency" in seen.text and "main.py" not in seen.text
        assert "Only the owner of the Worker can see the files" in seen.text


async def test_the_changelog_has_the_authors_words_and_the_schemas(
    app: App, owner: Visitor
) -> None:
    await add_versions(app)
    page = await owner.get(f"{SHELVED}/changelog")
    assert "Tries a page that fails again." in page.text
    steps = [" ".join(each.text_content().split()) for each in page.all("//ol[@class='steps']/li")]
    assert [step.split()[0] for step in steps] == ["v1.0.3", "v1.0.2", "v1.0.1"]
    assert "Input field currency was added" in steps[0]
    assert "The first version." in steps[2]


async def test_settings_are_saved_and_faults_keep_what_was_typed(app: App, owner: Visitor) -> None:
    await add_versions(app)
    at = f"{SHELVED}/settings"
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
    at = f"{SHELVED}/settings/run-options"
    typed = {
        "memory": "2048", "execute_limit_time_seconds": "soon",
        "max_total_charge": "-1", "max_total_traffic": "12.5",
    }  # fmt: skip
    wrong = await owner.post(at, typed, status=422)
    assert {link.get("href") for link in wrong.all("//*[@id='faults']//a")} == {
        "#f-execute_limit_time_seconds", "#f-max_total_charge",
    }  # fmt: skip
    assert {name: wrong.value(name) for name in typed} == typed, "nothing is lost"
    await owner.post(at, typed | {"execute_limit_time_seconds": "90", "max_total_charge": "0.5"})
    page = await owner.get(f"{SHELVED}/settings")
    assert page.value("memory") == "2048" and page.value("max_total_traffic") == "12.5"
    form = await owner.get(f"{SHELVED}?version=v1.0.2")
    line = form.one("//*[contains(@class,'options-line')]").text_content()
    options = "2048 MB · 1 min 30 s · at most $0.50 · at most 12.5 MB · any region"
    assert line == options, "the form of every version shows the run options"
    async with visitor(app, app.other.user_id) as other:
        await other.post(at, typed, status=403)


async def test_a_viewer_reads_and_changes_nothing(app: App) -> None:
    await add_versions(app)
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        for tab in ("versions", "settings"):
            page = await someone.get(f"{SHELVED}/{tab}")
            forms = page.all("//main//form[@method='post']/@action")
            kept = {f"{SHELVED}/favourite", f"{SHELVED}/settings"}
            assert set(forms) <= kept, forms
        assert not page.all("//main//button[normalize-space()='Save']")
        for path in ("versions/v1.0.3/withdraw", "versions/v1.0.1/rollback", "settings/private"):
            await someone.post(f"{SHELVED}/{path}", {}, status=403)
        await someone.post(f"{SHELVED}/settings", {"title": "x"}, status=403)
        await someone.post(f"{SHELVED}/settings/run-options", {}, status=403)
        await someone.post(f"{SHELVED}/settings/delete", {"name": "shop-prices"}, status=403)


async def test_it_is_made_private_and_public_again(app: App, owner: Visitor) -> None:
    await add_versions(app)
    at = f"{SHELVED}/settings"
    await owner.post(f"{at}/private", {})
    async with visitor(app, app.other.user_id) as other:
        await other.get(f"{SHELVED}/readme", status=404)
        await owner.post(f"{at}/publish", {})
        await other.get(f"{SHELVED}/readme")
    await owner.post(f"{at}/take-back", {})
    assert "No version is waiting for review." in (await owner.get(at)).text


async def test_deleting_asks_for_the_name(app: App, owner: Visitor) -> None:
    await add_versions(app)
    at = f"{SHELVED}/settings/delete"
    refused = await owner.post(at, {"name": "shop"}, status=422)
    assert "Enter shop-prices to confirm." in refused.text
    async with visitor(app, app.other.user_id) as other:
        await other.post(at, {"name": "shop-prices"}, status=403)
    done = await owner.post(at, {"name": " shop-prices "})
    assert done.location == "/dev/workers"
    assert "Shop prices was deleted." in (await owner.get("/dev/workers")).text
    await owner.get(f"{SHELVED}/readme", status=404)
