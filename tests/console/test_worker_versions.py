"""Versions: comparison, withdrawal, restoring, the current one and tags."""

from __future__ import annotations

from dataclasses import replace

from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.worker import EnvironmentState, VersionEnvironment, Worker
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, reason_with_detail, sentence
from support import records
from support.app import App
from support.console_workers import add_versions
from support.pages import Page, Visitor, visitor
from support.projects import python_project
from support.task_pages import INPUT

WORKER = "/w/owner/shop-prices"


def states(page: Page) -> dict[str, str]:
    """The label of the state of each version, by its number."""
    found = {}
    for item in page.all("//ul[@class='versions']/li"):
        number = item.xpath(".//h2")[0].text_content()
        words = item.xpath(".//div[@class='row'][h2]//span[contains(@class,'state')]")
        tags = item.xpath(".//div[@class='row'][h2]//span[@class='tag']")
        found[number] = " ".join(one.text_content().strip() for one in [*words, *tags])
    return found


def gets(number: str) -> dict[str, str]:
    """The fields of a form that names this version for the account and for others."""
    return {"then": number, "then_others": number}


async def test_a_version_can_be_withdrawn_with_a_reason(app: App, owner: Visitor) -> None:
    await add_versions(app)
    page = await owner.get(f"{WORKER}/versions")
    assert states(page) == {
        "v1.0.3": "current", "v1.0.2": "published", "v1.0.1": "deprecated",
    }  # fmt: skip
    at = f"{WORKER}/versions/v1.0.3"
    asked = await owner.get(
        page.one("//li[.//h2='v1.0.3']//a[contains(., 'Withdraw')]").get("href")
    )
    assert "v1.0.2 becomes the current version" in asked.text
    form = asked.one("//main//form[contains(@action, 'withdraw')]")
    sent = dict(zip(form.xpath("input/@name"), form.xpath("input/@value"), strict=True))
    assert sent == gets("v1.0.2")
    stale = await owner.post(form.get("action"), {"then": "v1.0.1"})
    assert stale.location == f"{at}/withdraw", "another version would be current than was said"
    assert "Check what changes" in (await owner.get(stale.location)).text
    done = await owner.post(form.get("action"), sent | {"reason": "<b>leaks</b>"})
    assert done.location == f"{WORKER}/versions"
    page = await owner.get(f"{WORKER}/versions")
    assert "v1.0.3 was withdrawn. v1.0.2 is the current version." in page.text
    assert states(page)["v1.0.3"] == "withdrawn" and states(page)["v1.0.2"] == "current"
    assert "<b>leaks</b>" in page.text
    async with visitor(app, app.other.user_id) as other:
        seen = await other.get(f"{WORKER}/versions")
        assert "<b>leaks</b>" in seen.text, "the users of the Worker see the reason"
        assert not seen.all("//form[contains(@action, 'withdraw')]")
        await other.post(f"{WORKER}/versions/v1.0.2/withdraw", {}, status=403)
    again = await owner.get(f"{at}/withdraw", status=303)
    assert "v1.0.3 is withdrawn already" in (await owner.get(again.location)).text
    restore = page.one(f"//form[@action='{at}/restore']")
    then = restore.xpath("input/@value")
    assert then == ["v1.0.2", "v1.0.2"]
    moves = await owner.post(f"{at}/restore", gets("v1.0.2"))
    asked = await owner.get(moves.location)
    assert "v1.0.3 becomes the current version" in asked.text, "none was chosen before"
    await owner.post(moves.location, gets("v1.0.3"))
    page = await owner.get(f"{WORKER}/versions")
    assert "v1.0.3 was restored. v1.0.3 is the current version." in page.text
    assert states(page)["v1.0.3"] == "current"


async def test_a_reason_is_kept_when_a_withdrawal_is_refused(app: App, owner: Visitor) -> None:
    await add_versions(app)
    at = f"{WORKER}/versions/v1.0.3/withdraw"
    stale = await owner.post(at, {"reason": "leaks", "then": "v1.0.1"}, status=409)
    assert "Check what changes" in stale.one("//*[@role='alert']").text_content()
    assert stale.one("//input[@name='reason']").get("value") == "leaks"
    assert stale.one("//input[@name='then']").get("value") == "v1.0.2"
    sent = gets("v1.0.2") | {"reason": "x" * 501}
    refused = await owner.post(at, sent, status=422)
    assert "at most 500 characters" in refused.one("//p[@id='f-reason-fault']").text_content()
    assert refused.one("//input[@name='reason']").get("value") == sent["reason"]


async def test_a_restored_version_that_is_not_current_again_is_offered(
    app: App, owner: Visitor
) -> None:
    worker = await with_a_required_field(app, "Prices")  # v1.0.1 stays the current version
    at = f"/w/{worker.path}/versions/v1.0.1"
    await app.services.tasks.create(app.owner, worker.id, "Named", INPUT, "v1.0.1")
    asked = await owner.get(f"{at}/withdraw")
    assert "The saved input of one task does not fit v1.0.2" in asked.text
    assert "would be refused: Currency" in asked.one("//tr[td//a[.='Prices']]").text_content()
    assert asked.all("//section[@aria-labelledby='stopped']//td//a/text()") == ["Named"]
    await owner.post(f"{at}/withdraw", gets("v1.0.2"))
    done = await owner.post(f"{at}/restore", gets("v1.0.2"))
    page = await owner.get(done.location)
    assert "v1.0.1 was restored. v1.0.2 is still the current version." in page.text
    assert page.one("//main//button[contains(., 'Make v1.0.1 current')]") is not None


async def test_a_change_without_another_current_version_says_so(app: App, owner: Visitor) -> None:
    worker = await app.publish("only")
    await app.services.tasks.create(app.owner, worker.id, "Daily", INPUT, "")
    at = f"/w/{worker.path}/versions/v1.0.1"
    asked = await owner.get(f"{at}/deprecate")
    assert "v1.0.1 stays the current version" in asked.text and "Daily" not in asked.text
    await owner.post(f"{at}/deprecate", gets("v1.0.1"))
    text = (await owner.get(f"/w/{worker.path}/versions")).text
    assert "v1.0.1 was deprecated. v1.0.1 is still the current version." in text
    asked = await owner.get(f"{at}/withdraw")
    assert "No version is left" in asked.text
    assert asked.all("//section[@aria-labelledby='stopped']//td//a/text()") == ["Daily"]
    await owner.post(f"{at}/withdraw", gets(""))
    text = (await owner.get(f"/w/{worker.path}/versions")).text
    assert "v1.0.1 was withdrawn. No version can be started." in text


AWAY = reason_with_detail(ReasonCode.INTERNAL, Detail(DetailCode.STORE_AWAY))


async def test_a_version_that_is_not_ready_says_why(app: App, owner: Visitor) -> None:
    await add_versions(app)
    versions = await app.services.workers.versions(app.owner, "owner/shop-prices")
    reason = Reason.of(ReasonCode.INSTALL_TIMEOUT, seconds=600)
    environments = (
        VersionEnvironment(versions[0].id, EnvironmentState.FAILED, reason),
        VersionEnvironment(versions[1].id, EnvironmentState.READY),
        VersionEnvironment(versions[2].id, EnvironmentState.PREPARING, AWAY),
    )
    for each in environments:
        await app.storage.write(lambda tx, one=each: tx.environments.put(one))
    page = await owner.get(f"{WORKER}/versions")
    facts = page.all("//dl[@class='version-facts']/div[dt='Ready']/dd")
    texts = [" ".join(each.text_content().split()) for each in facts]
    again = f"not yet, it is tried again: {sentence(AWAY)}"
    assert texts == [sentence(reason), "yes", again]
    frame = await owner.get(WORKER)
    assert "v1.0.3 is not ready" in frame.text and "within 600 seconds" in frame.text
    for known in (environments[2], environments[1]):
        latest = replace(known, version_id=versions[0].id)
        await app.storage.write(lambda tx, one=latest: tx.environments.put(one))
        frame = await owner.get(WORKER)
        assert (f"It is tried again automatically: {sentence(AWAY)}" in frame.text) is (
            known.reason is not None
        )
    assert "is not ready" not in (await owner.get(WORKER)).text


async def test_an_earlier_version_becomes_the_current_one(app: App, owner: Visitor) -> None:
    worker = await app.services.workers.find(app.owner, await add_versions(app))
    task = records.task(app.owner.account_id, worker.id, title="Every morning")
    await app.storage.write(lambda tx: tx.tasks.add(task))
    page = await owner.get(f"{WORKER}/versions")
    back = page.one("//a[contains(., 'Make current')]").get("href")
    assert back == f"{WORKER}/versions/v1.0.2/promote"
    page = await owner.get(back)
    assert "v1.0.3 → v1.0.2" in page.text and "Every morning" in page.text
    assert page.all("//section[@aria-labelledby='schema']//li")
    assert (await app.services.workers.find(app.owner, worker.id)).latest == "v1.0.3"
    form = page.one("//main//form[contains(@action, 'promote')]")
    assert form.xpath("input/@name | input/@value") == ["before", "v1.0.3"]
    stale = await owner.post(form.get("action"), {"before": "v1.0.2"})
    assert stale.location == back
    assert "it is v1.0.3; check again" in (await owner.get(back)).text
    await owner.post(form.get("action"), {"before": "v1.0.3"})
    page = await owner.get(f"{WORKER}/versions")
    assert "v1.0.2 is the current version" in page.text
    assert (states(page)["v1.0.2"], states(page)["v1.0.3"]) == ("current", "published")
    assert page.one("//a[contains(., 'Make current')]").get("href").endswith("v1.0.3/promote")
    refused = await owner.post(f"{WORKER}/versions/v1.0.1/promote", {})
    assert "restore it first" in (await owner.get(refused.location)).text
    async with visitor(app, app.other.user_id) as other:
        await other.get(back, status=403)
        await other.post(back, {}, status=403)


async def with_a_required_field(app: App, *titles: str, version: str = "") -> Worker:
    """A Worker whose v1.0.2 requires a field that the inputs of its tasks do not have."""
    worker = await app.publish("reader")
    for title in titles:
        await app.services.tasks.create(app.owner, worker.id, title, INPUT, version)
    currency = {"name": "currency", "title": "Currency", "type": "string", "required": True}
    project = python_project("x = 2\n", schema={"properties": [currency]})
    await app.services.workers.publish(app.owner, project, ref=worker.id, promote=False)
    return worker


async def test_the_tasks_that_the_new_version_would_refuse_are_named(
    app: App, owner: Visitor
) -> None:
    worker = await with_a_required_field(app, "Prices")
    page = await owner.get(f"/w/{worker.path}/versions/v1.0.2/promote")
    assert "The saved input of one task does not fit v1.0.2" in page.text
    row = page.one("//tr[td//a[.='Prices']]")
    assert "would be refused: Currency" in row.text_content()
    await app.services.promotions.promote(app.owner, worker.id, "v1.0.2")
    page = await owner.get(f"/w/{worker.path}/versions/v1.0.1/promote")
    assert "does not fit" not in page.text
    assert "fits" in page.one("//tr[td//a[.='Prices']]").text_content()


async def test_a_change_of_the_splitting_is_shown(app: App, owner: Visitor) -> None:
    names = {"name": "names", "title": "Names", "type": "array", "editor": "stringList"}
    split = {"properties": [names], "concurrency": {"fields": ["names"]}}
    limit = {"name": "limit", "title": "Limit", "type": "integer", "required": True}
    other = {"properties": [names, limit], "b": ""}
    worker = await app.publish("parts", schema=split)
    project = python_project("x = 2\n", schema=other)
    await app.services.workers.publish(app.owner, project, ref=worker.id, promote=False)
    page = await owner.get(f"/w/{worker.path}/versions/v1.0.2/promote")
    assert "The run is no longer split by names : it is one subtask" in page.text
    added = page.one("//section[@aria-labelledby='schema']//li[contains(., 'limit')]")
    assert "inputs without it are refused" in added.text_content()
    compared = await owner.get(f"/w/{worker.path}/compare?before=v1.0.2&after=v1.0.1")
    assert "The run is now split by names : each entry is one subtask" in compared.text


async def test_versions_have_tags(app: App, owner: Visitor) -> None:
    await add_versions(app)
    await owner.post(f"{WORKER}/versions/v1.0.2/tag", {"tag": "Stable"})
    page = await owner.get(f"{WORKER}/versions")
    assert "v1.0.2 has the tag stable" in page.text
    assert states(page)["v1.0.2"] == "published stable"
    form = await owner.get(f"{WORKER}?version=stable")
    assert form.value("version") == "stable", "and the form is that of v1.0.2"
    assert form.all("//select[@name='version']/option/@value")[:3] == ["", "stable", "v1.0.3"]
    moved = {"tag": "stable", "move": "stable"}
    for number in ("v1.0.3", "v1.0.2"):
        await owner.post(f"{WORKER}/versions/{number}/tag", moved)
        assert states(await owner.get(f"{WORKER}/versions"))[number].endswith("stable")
    refused = await owner.post(f"{WORKER}/versions/v1.0.2/tag", {"tag": "Latest!"}, status=422)
    form = refused.one("//details[@open]//form[contains(@action, 'v1.0.2/tag')]")
    assert form.xpath("string(input[@aria-invalid='true']/@value)") == "Latest!"
    fault = form.xpath("string(p[@id=../input/@aria-describedby])").strip()
    assert fault.startswith("Must be 1 to 40") and "beginning with a letter" in fault
    asked = (await owner.get(f"{WORKER}/versions")).one("//form[contains(@action, 'untag')]")
    assert "tasks that name stable can no longer start" in asked.text_content()
    assert "None of your tasks names it" in asked.text_content()
    await owner.post(asked.get("action"), {"tag": asked.xpath("string(input/@value)")})
    assert states(await owner.get(f"{WORKER}/versions"))["v1.0.2"] == "published"


async def test_the_tasks_that_name_a_tag_are_shown_before_it_is_moved_or_removed(
    app: App, owner: Visitor
) -> None:
    worker = await with_a_required_field(app)
    await app.services.promotions.tag(app.owner, worker.id, "stable", "v1.0.1")
    await app.services.tasks.create(app.owner, worker.id, "Hourly", INPUT, "stable")
    await app.services.tasks.create(app.owner, worker.id, "Current", INPUT, None)
    at = f"/w/{worker.path}/versions"
    removal = (await owner.get(at)).one("//form[contains(@action, 'untag')]")
    assert removal.xpath(".//li/a/text()") == ["Hourly"]
    asked = await owner.post(f"{at}/v1.0.2/tag", {"tag": " Stable"}, status=422)
    form = asked.one("//details[@open]//form[contains(@action, 'v1.0.2/tag')]")
    words = " ".join(form.text_content().split())
    assert "v1.0.1 has this tag" in words and "Current" not in words
    assert "Hourly would be refused: Currency" in words
    assert states(await owner.get(at))["v1.0.1"].endswith("stable"), "nothing was changed"
    sent = {
        "tag": form.xpath("string(input/@value)"),
        "move": form.xpath("string(.//label/input/@value)"),
    }
    await owner.post(form.get("action"), sent)
    assert states(await owner.get(at))["v1.0.2"].endswith("stable")


async def test_two_versions_are_compared_side_by_side(app: App, owner: Visitor) -> None:
    await add_versions(app)
    page = await owner.get(f"{WORKER}/compare?before=v1.0.1&after=v1.0.3")
    chosen = page.all("//main//select/option[@selected]")
    assert [item.text_content() for item in chosen] == ["v1.0.1", "v1.0.3"]
    words = page.one("//section[@aria-labelledby='schema']//ul").text_content()
    assert "max_results" in words and "changed its default from" in words
    changed = page.one("//article[.//h3='main.py']")
    [gone], [new] = changed.xpath(".//del"), changed.xpath(".//ins")
    assert gone.text_content().startswith("removed: ") and '"urls"]:' in gone.text_content()
    assert new.text_content().startswith("added: ") and '"urls"] * 3:' in new.text_content()
    same = await owner.get(f"{WORKER}/compare?before=v1.0.2&after=v1.0.2")
    assert "The files of the two versions are identical" in same.text
    fallback = await owner.get(f"{WORKER}/compare")
    assert "v1.0.2 → v1.0.3" in fallback.text
    wrong = await owner.get(f"{WORKER}/compare?before=v9&after=v1.0.1", status=422)
    assert "does not exist" in wrong.text
    async with visitor(app, app.other.user_id) as other:
        seen = await other.get(f"{WORKER}/compare?before=v1.0.1&after=v1.0.3")
        assert "currency" in seen.text and "main.py" not in seen.text
        assert "Only the owner of the Worker can see the files" in seen.text


async def test_the_changelog_has_the_text_of_the_author_and_the_schema_changes(
    app: App, owner: Visitor
) -> None:
    await add_versions(app)
    page = await owner.get(f"{WORKER}/changelog")
    assert "Tries a page that fails again." in page.text
    steps = [" ".join(item.text_content().split()) for item in page.all("//ol[@class='steps']/li")]
    assert [step.split()[0] for step in steps] == ["v1.0.3", "v1.0.2", "v1.0.1"]
    assert "Input field currency was added" in steps[0]
    assert "The first version." in steps[2]


async def test_a_viewer_can_only_read(app: App) -> None:
    await add_versions(app)
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        for tab in ("versions", "settings"):
            page = await someone.get(f"{WORKER}/{tab}")
            forms = page.all("//main//form[@method='post']/@action")
            kept = {f"{WORKER}/favourite", f"{WORKER}/settings"}
            assert set(forms) <= kept, forms
        assert not page.all("//main//button[normalize-space()='Save']")
        for path in ("versions/v1.0.3/withdraw", "versions/v1.0.2/promote", "settings/private"):
            await someone.post(f"{WORKER}/{path}", {}, status=403)
        await someone.post(f"{WORKER}/settings", {"title": "x"}, status=403)
        await someone.post(f"{WORKER}/settings/run-options", {}, status=403)
        await someone.post(f"{WORKER}/settings/delete", {"name": "shop-prices"}, status=403)
