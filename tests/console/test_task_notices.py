"""Whom a task notifies of failed runs."""

from __future__ import annotations

from fyke.domain.alerts.rules import EXAMPLE, RuleFields
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


async def test_a_rule_that_is_off_is_shown_as_off_and_only_switched_on(
    app: App, owner: Visitor
) -> None:
    task = await a_task(app)
    fields = EndpointFields("ops", "https://a.example/hook", ("run.failed",))
    made = await app.services.webhooks.add(app.owner, fields)
    page, chosen = f"/tasks/{task.id}", {"endpoints": made.endpoint.id}
    await owner.post(f"{page}/notify", chosen)
    [rule] = await rules(app)
    await owner.post(f"/alerts/rules/{rule.id}/switch", {"to": "off"})
    shown = await owner.get(page)
    assert not shown.all("//form//input[@name='endpoints']")
    card = shown.one("//form[contains(@action, '/notify')]")
    assert card.xpath(f".//a[@href='/settings/webhooks/{made.endpoint.id}']/text()") == ["ops"]
    assert card.xpath(f".//a[@href='/alerts/rules/{rule.id}']/text()") == ["Change"]
    await owner.post(f"{page}/notify", {})  # of a page from before
    assert [found.enabled for found in await rules(app)] == [False]
    await owner.post(f"{page}/notify", {"switch": "on"})
    [after] = await rules(app)
    assert (after.id, after.enabled, after.endpoints) == (rule.id, True, rule.endpoints)
    assert (await owner.get(page)).all("//form//input[@name='endpoints'][@checked]")


async def test_no_rule_is_added_where_a_wider_one_reports_the_same(
    app: App, owner: Visitor
) -> None:
    task = await a_task(app)
    made = await app.services.webhooks.add(
        app.owner, EndpointFields("ops", "https://a.example/hook", ("run.failed",))
    )
    page, chosen = f"/tasks/{task.id}", {"endpoints": made.endpoint.id}
    wider = (await app.services.alerts.add_rule(app.owner, EXAMPLE)).rule
    link = f"//section[@aria-labelledby='notify']//li/a[@href='/alerts/rules/{wider.id}']"
    shown = await owner.get(page)
    assert shown.all(link) and not shown.all("//input[@name='endpoints']")
    await owner.post(f"{page}/notify", chosen)
    assert await rules(app) == [wider]
    own = RuleFields("mine", "failed", task=task.id)  # deliberately, in the form of the rules
    await app.services.alerts.add_rule(app.owner, own)
    shown = await owner.get(page)
    assert shown.all(link) and shown.all("//input[@name='endpoints']")
    await owner.post(f"{page}/notify", chosen)
    assert [rule.endpoints for rule in await rules(app)] == [(), (made.endpoint.id,)]


async def test_a_channel_that_is_gone_changes_nothing(app: App, owner: Visitor) -> None:
    task = await a_task(app)
    answer = await owner.post(f"/tasks/{task.id}/notify", {"endpoints": "gone"})
    assert answer.location == f"/tasks/{task.id}" and await rules(app) == []


async def test_a_rule_for_chosen_reasons_is_not_listed_as_one_for_refused_starts(
    app: App, owner: Visitor
) -> None:
    task = await a_task(app)
    for name, reasons in (("all", ()), ("some", ("timeout",))):
        fields = RuleFields(name, "failed", task=task.id, reasons=reasons)
        await app.services.alerts.add_rule(app.owner, fields)
    await app.services.alerts.add_rule(app.owner, EXAMPLE)
    page = await owner.get(f"/tasks/{task.id}")
    section = "//section[@aria-labelledby='notify']"
    wider, some = page.all(f"{section}//ul[@class='plain-list']")
    assert wider.getprevious().text == "Also reported by:"
    assert some.getprevious().text == "Only some failed runs, no refused starts:"
    assert [link.text for link in some.xpath(".//a")] == ["some"]
