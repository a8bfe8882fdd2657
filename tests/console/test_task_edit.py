"""Changing a task and its schedule, also concurrently with another user."""

from __future__ import annotations

import json

import pytest

from fyke.domain.alerts.rules import EXAMPLE
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.tasks.service import TaskEdit
from fyke.model.alert import MAX_RULES
from fyke.model.schedule import ScheduleKind
from support.app import App
from support.pages import Page, Visitor
from support.task_pages import INPUT, a_task, scheduled

SCHEDULE = {
    "kind": "weekly",
    "time": "07:15",
    "weekday": "3",
    "day": "1",
    "time_zone": "Europe/Berlin",
    "overlap": "queue",
    "late": "skip",
    "enabled": "on",
    "revision": "0",
}


def fields(page: Page) -> dict[str, str]:
    """The fields that a browser would submit for the current input form."""
    found = {}
    for control in page.all("//form[@id='run-form']//*[@name]"):
        name = control.get("name")
        if control.tag == "button" or control.get("type") == "file":
            continue
        if control.get("type") in ("checkbox", "radio") and control.get("checked") is None:
            continue
        found[name] = page.value(name)
    return found


def page_revision(page: Page) -> str:
    return page.value("revision")


async def test_the_input_can_be_edited_as_a_form_and_as_json(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    address = f"/tasks/{task.id}/edit"
    page = await owner.get(address)
    sent = fields(page) | {"title": "Renamed", "do": "save"}
    assert sent["revision"] == "0"
    await owner.post(address, sent)
    kept = await app.services.tasks.get(app.owner, task.id)
    assert (kept.title, kept.revision) == ("Renamed", 1)
    assert json.loads(kept.input_json)["parameters"]["custom"] == INPUT["parameters"]["custom"]

    page = await owner.get(address)
    page = await owner.post(address, fields(page) | {"do": "json"}, status=200)
    sent = fields(page) | {"json_text": '{"urls": [{"url": "https://b.example/"}]}', "do": "save"}
    await owner.post(address, sent)
    kept = await app.services.tasks.get(app.owner, task.id)
    assert "b.example" in kept.input_json

    bad = await owner.post(address, sent | {"json_text": "{", "revision": "2"}, status=422)
    assert bad.value("json_text") == "{"
    assert "One value is not valid" in bad.text
    bad = await owner.post(
        address, sent | {"title": " ", "description": "kept", "revision": "2"}, status=422
    )
    assert "Must have 1 to 200 characters" in bad.text
    assert bad.value("description") == "kept"


async def test_the_second_of_two_editors_sees_both_values_and_keeps_the_input(
    app: App, owner: Visitor
) -> None:
    task = await a_task(app)
    address = f"/tasks/{task.id}/edit"
    sent = fields(await owner.get(address)) | {"title": "Mine", "do": "save"}
    await app.services.tasks.edit(app.owner, task.id, TaskEdit(title="Theirs"), 0)
    page = await owner.post(address, sent, status=409)
    assert "This task was changed elsewhere" in page.text
    assert [th.text for th in page.all("//*[@id='faults']//tbody/tr/th")] == ["Title"]
    row = page.one("//th[.='Title']/parent::tr")
    assert [cell.text_content() for cell in row.xpath("td")] == ["Theirs", "Mine"]
    assert page.value("title") == "Mine"
    assert (await app.services.tasks.get(app.owner, task.id)).title == "Theirs"
    await owner.post(address, fields(page) | {"do": "save"})  # now with both values shown
    assert (await app.services.tasks.get(app.owner, task.id)).title == "Mine"


async def test_of_two_inputs_only_the_fields_that_differ_are_shown(
    app: App, owner: Visitor
) -> None:
    names = ({"name": "city", "type": "string", "title": "City"}, {"name": "n", "type": "integer"})
    worker = await app.publish("cities", schema={"properties": list(names)})
    given = {"parameters": {"system": {"memory": 512}, "custom": {"city": "Graz", "n": 1}}}
    task = await app.services.tasks.create(app.owner, worker.id, "Cities", given, None)
    address = f"/tasks/{task.id}/edit"
    sent = fields(await owner.get(address)) | {"f:city": "Linz", "do": "save"}
    theirs = {"parameters": {"system": {"memory": 1024}, "custom": {"city": "Wien", "n": 1}}}
    await app.services.tasks.edit(app.owner, task.id, TaskEdit(input=theirs), 0)
    page = await owner.post(address, sent, status=409)
    rows = [
        [cell.text_content() for cell in row.xpath("th|td")]
        for row in page.all("//*[@id='faults']//tbody/tr")
    ]
    assert rows == [["Memory", "1024", "512"], ["City", '"Wien"', '"Linz"']]


async def test_what_another_editor_has_saved_already_is_no_conflict(
    app: App, owner: Visitor
) -> None:
    task = await a_task(app)
    address = f"/tasks/{task.id}/edit"
    sent = fields(await owner.get(address))
    sent |= {"title": "Both", "description": "one\r\ntwo", "do": "save"}
    theirs = TaskEdit(title="Both", description="one\ntwo")
    await app.services.tasks.edit(app.owner, task.id, theirs, 0)
    await owner.post(address, sent)
    page = await owner.get(f"/tasks/{task.id}")
    assert "The task already has these values" in page.text
    assert (await app.services.tasks.get(app.owner, task.id)).revision == 1


async def test_saving_a_deleted_task_says_how_to_go_on(app: App, owner: Visitor) -> None:
    address = f"/tasks/{(await a_task(app)).id}/edit"
    typed = fields(await owner.get(address)) | {"do": "save"}
    await owner.post(address.removesuffix("/edit") + "/delete")
    lost = await owner.post(address, typed, status=404)
    assert "save it there as a task" in lost.text


async def test_an_invalid_saved_input_is_marked_and_fixed(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    worker = await app.publish(
        "reader", schema={"properties": [{"name": "city", "type": "string", "required": True}]}
    )
    page = await owner.get(f"/tasks/{task.id}")
    assert "The saved input is no longer valid" in page.text
    assert "Fill in the field city." in page.text
    assert "input not valid" in (await owner.get("/tasks")).text
    refused = await owner.post(f"/tasks/{task.id}/run", {"back": "/tasks"})
    assert refused.location == f"/tasks/{task.id}/edit"
    form = await owner.get(refused.location)
    assert "“Prices” was not started. The saved input is no longer valid." in form.text
    assert form.text.count("no longer valid") == 1 and form.one("//*[@id='faults']") is not None
    fixed = await app.services.tasks.create(app.owner, worker.id, "Fixed", INPUT, "v1.0.1")
    await app.withdraw(worker, "v1.0.1")
    page = await owner.get(f"/tasks/{fixed.id}")
    assert "version of this task is not available" in page.text
    assert "version not available" in (await owner.get("/tasks")).text
    await owner.post(f"/tasks/{fixed.id}/latest")
    assert (await app.services.tasks.get(app.owner, fixed.id)).version == ""
    await app.services.removal.delete(app.owner, worker.id)
    assert (
        "The Worker of this task is not available" in (await owner.get(f"/tasks/{fixed.id}")).text
    )
    address = f"/tasks/{fixed.id}/edit"
    await owner.post(address, fields(await owner.get(address)) | {"title": "Old", "do": "save"})
    assert (await app.services.tasks.get(app.owner, fixed.id)).title == "Old"


async def test_a_task_whose_tag_was_removed_says_how_to_go_on(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    promotions = app.services.promotions
    await promotions.tag(app.owner, task.worker_id, "stable", "v1.0.1")
    await app.services.tasks.edit(app.owner, task.id, TaskEdit(version="stable"), 0)
    await promotions.remove_tag(app.owner, task.worker_id, "stable")
    page = await owner.get(f"/tasks/{task.id}/edit")
    assert "No version has the tag stable any more." in page.text
    assert (
        page.one("//a[contains(., 'Set the tag again')]").get("href").endswith("/reader/versions")
    )
    assert "Until you choose one, change the input as JSON" in page.text
    assert "cannot be read" not in page.text
    assert "a.example" in page.value("json_text")


async def test_a_run_option_that_the_newest_version_refuses_is_marked(
    app: App, owner: Visitor
) -> None:
    task = await a_task(app)
    options = {"parameters": {**INPUT["parameters"], "system": {"browser_block": ["images"]}}}
    await app.services.tasks.set_input(app.owner, task.id, options, None)
    assert "no longer valid" not in (await owner.get(f"/tasks/{task.id}")).text
    worker = await app.publish("reader", browser="none")
    page = await owner.get(f"/tasks/{task.id}")
    assert "The saved input is no longer valid" in page.text
    assert '"Not loaded by browsers" is for the browser' in page.text
    assert "system.browser_block" not in page.text
    page = await owner.get(f"/tasks/{task.id}/edit")
    [item] = page.all("//*[@id='faults']//li/a")  # the option is shown, with its fault
    assert "is for the browser" in item.text_content()
    assert page.one(f"//*[@id='{item.get('href')[1:]}']") is not None
    sent = {key: value for key, value in fields(page).items() if value != "images"}
    await owner.post(f"/tasks/{task.id}/edit", sent | {"do": "save"})
    assert "no longer valid" not in (await owner.get(f"/tasks/{task.id}")).text

    fixed = await app.services.tasks.create(app.owner, worker.id, "Fixed", options, "v1.0.1")
    await app.withdraw(worker, "v1.0.1")
    answer = await owner.post(f"/tasks/{fixed.id}/latest")
    page = await owner.get(answer.location)
    assert '"Not loaded by browsers" is for the browser' in page.text
    assert (await app.services.tasks.get(app.owner, fixed.id)).version == "v1.0.1"


async def test_a_schedule_is_previewed_saved_and_removed(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    address = f"/tasks/{task.id}/schedule"
    page = await owner.get(address)
    assert len(page.all("//*[@id='ahead']//li")) == 10
    query = "kind=weekly&time=07:15&weekday=3&time_zone=Asia/Tokyo"
    part = await owner.get(f"{address}/ahead?{query}", part=True)
    assert "Asia/Tokyo" in part.text
    assert len(part.all("//li")) == 10
    part = await owner.get(f"{address}/ahead?kind=cron&cron=0+9+*+*+8", part=True)
    [at_field] = part.all("//hx-partial[@hx-target='#cron-now']//span/text()")
    assert at_field.startswith("The day of the week must be 0 (Sunday) to 7 (Sunday)")
    assert "day of the week" not in part.one("//p[@data-wrong]").text_content()
    await owner.post(address, SCHEDULE)
    view = await app.services.schedules.get(app.owner, task.id)
    assert (view.schedule.spec.weekday, view.schedule.overlap.value, view.schedule.late.value) == (
        3,
        "queue",
        "skip",
    )
    assert "every Wednesday at 07:15" in (await owner.get("/schedules")).text
    await owner.post(f"/tasks/{task.id}/switch", {"on": "0", "back": "/schedules"})
    assert "off" in (await owner.get("/schedules")).text
    await owner.post(f"{address}/delete")
    assert "No schedules" in (await owner.get("/schedules")).text


async def test_a_schedule_is_saved_with_alerts(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    address = f"/tasks/{task.id}/schedule"

    async def offered() -> list[str]:
        page = await owner.get(address)
        return [str(kind) for kind in page.all("//input[@name='alert' and not(@checked)]/@value")]

    assert await offered() == ["failed", "zero_rows", "fewer_rows", "slower"]
    wrong = SCHEDULE | {"time": "25:00", "alert": ["slower"]}
    page = await owner.post(address, wrong, status=422)
    assert page.all("//input[@name='alert' and @checked]/@value") == ["slower"]
    assert await app.services.alerts.rules(app.owner) == []
    await owner.post(address, SCHEDULE | {"alert": ["failed", "slower", "budget"]})
    rules = [view.rule for view in await app.services.alerts.rules(app.owner)]
    assert [(rule.kind.value, rule.task_id, rule.factor) for rule in rules] == [
        ("failed", task.id, 0),
        ("slower", task.id, 2),
    ]
    assert rules[0].name == f"{task.title}: a run has failed"
    page = await owner.get(address)
    assert page.all(f"//li/a[@href='/alerts/rules/{rules[0].id}']")
    assert await offered() == ["zero_rows", "fewer_rows"]
    await owner.post(f"/alerts/rules/{rules[0].id}/switch", {"to": "off"})
    assert await offered() == ["zero_rows", "fewer_rows"]
    page = await owner.get(address)
    assert page.all("//input[@name='alert_on' and not(@checked)]/@value") == [rules[0].id]
    sent = SCHEDULE | {"revision": "1", "alert": ["failed"], "alert_on": [rules[0].id]}
    await owner.post(address, sent)
    after = [view.rule for view in await app.services.alerts.rules(app.owner)]
    assert [(rule.id, rule.enabled) for rule in after] == [(rule.id, True) for rule in rules]
    for _ in range(MAX_RULES - 2):
        await app.services.alerts.add_rule(app.owner, EXAMPLE)
    done = await owner.post(address, SCHEDULE | {"revision": "2", "alert": ["zero_rows"]})
    page = await owner.get(done.location)
    assert "The schedule was saved, but not all alert rules are on: An account has" in page.text


@pytest.mark.parametrize(
    ("wrong", "name", "words"),
    [
        ({"kind": "cron", "cron": "61 * * * *"}, "cron", "minute"),
        ({"kind": "cron", "cron": "* *"}, "cron", "five fields"),
        ({"kind": "daily", "time": "25:00"}, "time", "not a time"),
        ({"kind": "once", "date": "2001-01-01"}, "date", "in the past"),
        ({"kind": "interval", "every": "x"}, "every", "whole number"),
        ({"kind": "interval", "every": "1", "unit": "seconds"}, "every", "one minute"),
        ({"kind": "daily", "time_zone": "Mars/Base"}, "time_zone", "not a time zone"),
        ({"kind": "never"}, "kind", "Must be one of"),
    ],
)
async def test_an_invalid_schedule_is_refused_with_field_and_reason(
    app: App, owner: Visitor, wrong: dict[str, str], name: str, words: str
) -> None:
    task = await a_task(app)
    page = await owner.post(f"/tasks/{task.id}/schedule", SCHEDULE | wrong, status=422)
    link = page.one("//*[@id='faults']//a")
    assert link.get("href") == f"#f-{name}"
    assert words in link.text_content()
    if name != "kind":
        assert page.value(name) == wrong.get(name, SCHEDULE.get(name))


async def test_all_wrong_fields_of_a_schedule_are_named_at_once(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    wrong = {"kind": "cron", "cron": "61 * * * *", "time_zone": "Berlin"}
    page = await owner.post(f"/tasks/{task.id}/schedule", SCHEDULE | wrong, status=422)
    links = [link.get("href") for link in page.all("//*[@id='faults']//a")]
    assert links == ["#f-time_zone", "#f-cron"]


async def test_a_title_that_is_too_long_is_not_cut(app: App, owner: Visitor) -> None:
    address = f"/tasks/{(await a_task(app)).id}/edit"
    page = await owner.get(address)
    assert page.one("//input[@name='title']").get("maxlength") is None
    typed = fields(page) | {"title": "x" * 10_000, "do": "save"}
    page = await owner.post(address, typed, status=422)
    assert "Must have 1 to 200 characters, and has 10,000" in page.text
    assert page.value("title") == "x" * 10_000


async def test_the_second_of_two_editors_of_a_schedule_sees_both_values(
    app: App, owner: Visitor
) -> None:
    task = await scheduled(app)
    address = f"/tasks/{task.id}/schedule"
    old = page_revision(await owner.get(address))
    await app.services.schedules.put(
        app.owner, task.id, ScheduleEdit(enabled=True, kind=ScheduleKind.DAILY, time="11:00")
    )
    page = await owner.post(address, SCHEDULE | {"revision": old}, status=409)
    assert "Saved schedule: every day at 11:00" in page.text
    assert page.value("time") == "07:15"
    await owner.post(address, SCHEDULE | {"revision": page_revision(page)})
    assert "every Wednesday" in (await owner.get(f"/tasks/{task.id}")).text


async def test_a_new_schedule_skips_a_run_while_the_last_one_is_active(
    app: App, owner: Visitor
) -> None:
    """As docs/how-to/schedules.md says."""
    form = await owner.get(f"/tasks/{(await a_task(app)).id}/schedule")
    assert form.all("//select[@name='overlap']/option[@selected]/@value") == ["skip"]


async def test_a_task_that_follows_a_tag_shows_its_version(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    await app.storage.write(lambda tx: tx.workers.set_tag(task.worker_id, "stable", "v1.0.1"))
    await app.services.tasks.edit(app.owner, task.id, TaskEdit(version="stable"), 0)
    line = (await owner.get(f"/tasks/{task.id}")).one("//p[contains(@class, 'task-line')]")
    assert "The reader stable (v1.0.1) " in " ".join(line.text_content().split())
