"""Tasks and schedules in the console: the lists, one task, the calendar."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fyke.domain.alerts.refusals import RefusedStarts
from fyke.domain.alerts.rules import EXAMPLE
from fyke.domain.webhooks.rules import EndpointFields
from fyke.errors import InvalidRequest
from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.alert import RuleKind
from fyke.model.run import Outcome
from fyke.model.schedule import Fire, FireState, Schedule
from support.app import App
from support.pages import Visitor, visitor
from support.run_forms import sent
from support.task_pages import scheduled


async def test_an_empty_list_explains_tasks(owner: Visitor) -> None:
    page = await owner.get("/tasks")
    assert "No tasks yet" in page.text
    assert page.one("//a[normalize-space()='Choose a Worker']").get("href") == "/store?for=task"
    page = await owner.get("/schedules")
    assert "No schedules" in page.text


async def test_the_list_shows_schedule_next_run_and_last_result(app: App, owner: Visitor) -> None:
    await scheduled(app)
    page = await owner.get("/tasks")
    assert "every day at 09:30" in page.text
    assert "never" in page.text
    action = page.one("//form[contains(@action,'/run')]").get("action")
    started = await owner.post(action)
    assert started.location.startswith("/runs/")
    await app.execute([{"a": 1}], Outcome.EXIT_CODE, "broke")
    page = await owner.get("/tasks")
    assert "Failed" in page.text
    assert page.one("//svg[@class='run-bars']/a").get("href") == started.location
    assert "The last run: 1 failed" in page.text
    assert "Bars: the last 30 runs." in page.text
    assert started.location in [
        a.get("href") for a in (await owner.get("/schedules")).all("//svg/a")
    ]
    assert "Prices" in (await owner.get("/tasks?q=PRI", part=True)).text
    assert "No task matches" in (await owner.get("/tasks?q=nothing")).text


async def test_the_page_of_a_task_has_runs_next_times_and_history(app: App, owner: Visitor) -> None:
    task = await scheduled(app)
    await owner.post(f"/tasks/{task.id}/run")
    page = await owner.get(f"/tasks/{task.id}")
    assert "Waiting" in page.text
    assert len(page.all("//h2[.='Schedule']/ancestor::section//ol/li")) == 5
    assert "No planned runs yet" in (await owner.get(f"/tasks/{task.id}/history")).text
    await owner.get("/tasks/01ARZ3NDEKTSV4RRFFQ69G5FAV", status=404)


async def test_the_schedule_of_a_copied_task_is_off(app: App, owner: Visitor) -> None:
    task = await scheduled(app)
    made = await owner.post(f"/tasks/{task.id}/clone")
    page = await owner.get(made.location)
    assert "The task was copied. The schedule of the copy is off." in page.text
    assert page.value("title") == "Prices (copy)"
    copy = made.location.split("/")[2]
    view = await app.services.schedules.get(app.owner, copy)
    assert (view.schedule.enabled, view.schedule.spec.time) == (False, "09:30")
    await owner.post(f"/tasks/{copy}/schedule/delete")
    made = await owner.post(f"/tasks/{copy}/clone")
    page = await owner.get(made.location)
    assert "The task was copied." in page.text and "The schedule of the copy" not in page.text
    await owner.post(f"/tasks/{copy}/delete")
    await owner.get(f"/tasks/{copy}", status=404)


async def test_a_paused_schedule_is_marked_and_can_be_resumed(app: App, owner: Visitor) -> None:
    task = await scheduled(app)

    def pause(tx: Any) -> None:
        schedule: Schedule = tx.schedules.get(task.id)
        tx.schedules.put(
            replace(
                schedule,
                enabled=False,
                next_at=0,
                failures=10,
                paused_at=1,
                last_error="paused after 10 failures in a row",
            )
        )

    await app.storage.write(pause)
    for address in ("/schedules", f"/tasks/{task.id}"):
        page = await owner.get(address)
        assert "paused after 10 failures in a row" in page.text
    await owner.post(f"/tasks/{task.id}/switch", {"on": "1"})
    view = await app.services.schedules.get(app.owner, task.id)
    assert (view.schedule.enabled, view.schedule.failures, view.schedule.paused_at) == (True, 0, 0)


async def test_a_refused_start_is_shown_with_what_to_do(app: App, owner: Visitor) -> None:
    task = await scheduled(app)
    await app.services.alerts.add_rule(app.owner, EXAMPLE)
    sentence = (
        'required field "limit" is missing or empty; give input.parameters.custom.limit a value'
    )

    def refuse(tx: Any) -> None:
        schedule: Schedule = replace(tx.schedules.get(task.id), last_error=sentence)
        tx.schedules.put(schedule)
        tx.schedules.add_fire(Fire(task.id, 1, FireState.REFUSED, "", sentence, 1, tx.now))
        RefusedStarts().report(tx, schedule, InvalidRequest(sentence))

    await app.storage.write(refuse)
    for address in ("/schedules", "/overview/next"):
        assert "last start refused" in (await owner.get(address)).text
    for address in (f"/tasks/{task.id}", f"/tasks/{task.id}/history", "/alerts"):
        page = await owner.get(address)
        assert "Fill in the field limit." in page.text
        assert "input.parameters" not in page.text
    assert "The planned start of the task Prices was refused" in page.text
    assert page.one(f"//tbody//a[@href='/tasks/{task.id}']") is not None
    assert not page.all("//tbody//a[starts-with(@href, '/runs')]")


async def test_a_new_task_begins_with_the_choice_of_a_worker(app: App, owner: Visitor) -> None:
    await scheduled(app)
    page = await owner.get("/tasks")
    page = await owner.get(page.one("//a[normalize-space()='New task']").get("href"))
    assert "Choose a Worker, fill in its form and save it as a task." in page.text
    assert page.value("for") == "task"
    page = await owner.get("/store?for=task&q=zzz")
    page = await owner.get(page.one("//a[normalize-space()='Clear search']").get("href"))
    form = await owner.get(page.one("//li//h2/a").get("href"))
    details = "//details[summary[normalize-space()='Save as task']]"
    assert form.all(f"{details}[@open]")
    address = str(form.one("//form[@id='run-form']").get("action"))
    for button in ("json", "redraw", "default"):
        form = await owner.post(address, {**sent(form), "do": button}, status=200)
        assert form.all(f"{details}[@open]")
    gone = await owner.post(address, {**sent(form), "do": "forget"}, status=303)
    assert gone.location.endswith("?for=task")
    assert form.one("//a[normalize-space()='Reset']").get("href") == f"{address}?for=task"
    [worker] = await app.services.overview.workers(app.owner)
    assert not (await owner.get(f"/w/{worker.path}")).all(f"{details}[@open]")


async def test_a_viewer_is_not_led_to_a_new_task(app: App) -> None:
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        for page in ("/tasks", "/schedules"):
            assert not (await someone.get(page)).all("//main//a[contains(@href, '/store')]")
        assert "save it as a task" not in (await someone.get("/store?for=task")).text


async def test_the_month_is_a_grid_with_the_same_content_as_a_list(
    app: App, owner: Visitor
) -> None:
    await scheduled(app)
    page = await owner.get("/schedules/month?month=2031-02")
    assert len(page.all("//table[contains(@class,'month')]//td[.//a]")) == 28
    assert len(page.all("//div[contains(@class,'month-list')]//dt")) == 28
    assert "09:30 Prices" in page.text
    assert page.one("//a[@rel='next']").get("href") == "/schedules/month?month=2031-03"
    assert "No runs are planned" in (await owner.get("/schedules/month?month=2001-02")).text
    await owner.get("/schedules/month?month=2031-13", status=400)
    await owner.get("/schedules/month?month=x", status=400)


async def test_a_viewer_can_only_read(app: App, owner: Visitor) -> None:
    task = await scheduled(app)
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        for address in ("/tasks", f"/tasks/{task.id}", "/schedules"):
            page = await someone.get(address)
            assert page.all("//main//form[@method='post']") == []
        await someone.get(f"/tasks/{task.id}/edit")
        await someone.post(f"/tasks/{task.id}/run", status=303)
        await someone.post(f"/tasks/{task.id}/delete", status=403)
    async with visitor(app, app.other.user_id) as stranger:
        await stranger.get(f"/tasks/{task.id}", status=404)


async def test_a_chat_is_notified_of_failures_in_two_clicks(app: App, owner: Visitor) -> None:
    task = await scheduled(app)
    page = await owner.get(f"/tasks/{task.id}")
    assert "Add a chat: Slack, Teams, Discord or Telegram" in page.text
    fields = EndpointFields(
        "team", "https://hooks.slack.com/services/T/B/x", ("run.failed",), channel="slack"
    )
    hook = (await app.services.webhooks.add(app.owner, fields)).endpoint
    page = await owner.get(f"/tasks/{task.id}")
    form = page.one(f"//form[@action='/tasks/{task.id}/notify']")
    assert form.xpath(".//input[@name='endpoints']/@value") == [hook.id]
    assert "team" in form.text_content() and "Slack" in form.text_content()
    saved = await owner.post(f"/tasks/{task.id}/notify", {"endpoints": hook.id})
    assert saved.location == f"/tasks/{task.id}"
    [found] = await app.services.alerts.rules(app.owner)
    assert (found.rule.kind, found.rule.task_id, found.rule.endpoints, found.rule.name) == (
        RuleKind.FAILED, task.id, (hook.id,), "Prices: a run has failed",
    )  # fmt: skip
    page = await owner.get(f"/tasks/{task.id}")
    assert page.all(f"//input[@name='endpoints'][@value='{hook.id}'][@checked]")
    await owner.post(f"/tasks/{task.id}/notify", {})
    [found] = await app.services.alerts.rules(app.owner)
    assert found.rule.endpoints == () and found.rule.enabled
    await owner.post(f"/tasks/{new_ulid()}/notify", {}, status=404)
