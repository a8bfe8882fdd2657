"""Whom a task notifies of failed runs."""

from __future__ import annotations

from fyke.domain.webhooks.rules import EndpointFields
from fyke.model.alert import Rule
from support.app import App
from support.pages import Visitor
from support.task_pages import a_task


async def rules(app: App) -> list[Rule]:
    return [view.rule for view in await app.services.alerts.rules(app.owner)]


async def test_the_rule_of_a_task_is_added_changed_and_kept(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    fields = EndpointFields("ops", "https://a.example/hook", ("run.failed",))
    made = await app.services.webhooks.add(app.owner, fields)
    page = f"/tasks/{task.id}"
    assert (
        "ops" in (await owner.get(page)).one("//form[contains(@action, '/notify')]").text_content()
    )
    await owner.post(f"{page}/notify", {})
    assert await rules(app) == [], "nothing was chosen"
    await owner.post(f"{page}/notify", {"endpoints": made.endpoint.id})
    [rule] = await rules(app)
    assert (rule.task_id, rule.endpoints, rule.enabled) == (task.id, (made.endpoint.id,), True)
    assert (await owner.get(page)).all("//form//input[@name='endpoints'][@checked]")
    await owner.post(f"{page}/notify", {})
    [kept] = await rules(app)
    assert (kept.id, kept.endpoints) == (rule.id, ()), "its alerts are still listed"


async def test_a_channel_that_is_gone_changes_nothing(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    answer = await owner.post(f"/tasks/{task.id}/notify", {"endpoints": "gone"})
    assert answer.location == f"/tasks/{task.id}" and await rules(app) == []
