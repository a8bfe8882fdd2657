"""Alerts in the console: rules, their forms and previews, and raised alerts."""

from __future__ import annotations

import pytest

from fyke.domain.alerts.monitor import AlertMonitor
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.alerts.service import Alerts
from fyke.model.run import Outcome
from support import records
from support.alerts import a_run
from support.app import App
from support.pages import Visitor, visitor

pytestmark = pytest.mark.anyio
RULES = "/alerts/rules"


async def looked(app: App) -> None:
    await AlertMonitor(app.storage, app.results).process_pending()


async def test_the_empty_list_has_a_button_for_an_example_rule(app: App, owner: Visitor) -> None:
    await app.register_runner()
    page = await owner.get("/alerts")
    assert "No alerts, and no rules yet" in page.text
    await owner.post(page.one("//form[contains(@action, 'example')]").get("action"))
    assert "A run has failed" in (await owner.get(RULES)).text
    await a_run(app, Outcome.EXIT_CODE)
    await looked(app)
    page = await owner.get("/alerts")
    assert "The run failed: it went wrong" in page.text
    assert page.all("//tbody/tr/td//a[starts-with(@href, '/w/')]"), "it names the Worker"
    assert page.one("//nav//a[@href='/alerts']/span[@class='tally']").text == "1"


async def test_alerts_are_marked_as_read_one_by_one_or_all_at_once(
    app: App, owner: Visitor
) -> None:
    await app.register_runner()
    await owner.post(f"{RULES}/example")
    for name in ("one", "two", "three"):
        await a_run(app, Outcome.EXIT_CODE, worker=(await app.publish(name)).id)
    await looked(app)
    page = await owner.get("/alerts")
    checkboxes = page.all("//input[@name='id']")
    assert len(checkboxes) == 3
    await owner.post("/alerts/read", {"id": checkboxes[0].get("value")})
    unread = await owner.get("/alerts?unread=1")
    assert len(unread.all("//tbody/tr")) == 2
    assert "1 alert was marked as read." in unread.text
    answer = await owner.post("/alerts/read", {"all": "1", "back": "unread"})
    assert answer.location == "/alerts?unread=1"
    assert "No alert matches the filter." in (await owner.get("/alerts?unread=1")).text
    page = await owner.get("/alerts")
    assert not page.all("//nav//a[@href='/alerts']/span[@class='tally']")
    assert len(page.all("//tbody/tr")) == 3


async def test_equal_alerts_are_one_row_and_are_read_together(app: App, owner: Visitor) -> None:
    await app.register_runner()
    await owner.post(f"{RULES}/example")
    workers = [(await app.publish(name)).id for name in ("one", "two")]
    runs = [await a_run(app, Outcome.EXIT_CODE, worker=workers[n % 2]) for n in range(5)]
    await looked(app)
    page = await owner.get("/alerts")
    assert page.one("//h2/*[@class='tally']").text == "5"
    assert [text.strip() for text in page.all("//details/summary/text()")] == ["3 times", "2 times"]
    listed = page.all("(//tbody/tr)[1]//details//li/a/@href")
    assert listed == [f"/runs/{run.id}" for run in runs[::-2]]
    [first, _second] = page.all("//input[@name='id']/@value")
    await owner.post("/alerts/read", {"id": first})
    assert "3 alerts were marked as read." in (await owner.get("/alerts?unread=1")).text
    await a_run(app, Outcome.EXIT_CODE, worker=workers[0])
    await looked(app)
    assert len((await owner.get("/alerts")).all("//tbody/tr")) == 3, "the new one is apart"


async def test_every_kind_of_rule_is_described_saved_and_shown_in_its_form(
    app: App, owner: Visitor
) -> None:
    worker = await app.publish("reader")
    forms = {
        "failed": ({}, "a run fails, or a planned start is refused"),
        "zero_rows": ({"worker": worker.path}, "a run succeeds without rows"),
        "fewer_rows": ({"share": "40"}, "a run has fewer than 40% of the usual rows"),
        "slower": ({"multiple": "2,5"}, "a run takes more than 2.5 times as long as usual"),
        "missing_field": (
            {"field": "price", "percent": "7.5"},
            "the field price is missing in more than 7.5% of the rows",
        ),
        "budget": ({"usd": "12.5", "megabytes": "3"}, "a month costs more than $12.50, a month"),
    }
    for kind, (more, sentence) in forms.items():
        data = {"name": f"Rule {kind}", "kind": kind, "enabled": "on", **more}
        assert (await owner.post(f"{RULES}/new", data)).location == RULES
        page = await owner.get(RULES)
        row = page.one(f"//tr[contains(., 'Rule {kind}')]")
        assert sentence in " ".join(row.text_content().split())
        form = await owner.get(row.xpath(".//a")[0].get("href"))
        assert form.one("//input[@name='kind'][@checked]").get("value") == kind
        for name, value in more.items():
            assert form.value(name) == value.replace(",", ".")


async def test_reasons_are_chosen_in_folded_groups(app: App, owner: Visitor) -> None:
    new = await owner.get(f"{RULES}/new")
    values = new.all("//details[@id='f-reasons' and not(@open)]/fieldset//input/@value")
    assert values[0] == "exit_code" and "timeout" in values and len(values) == len(set(values))
    assert new.one("//*[@data-checked]").text_content() == ""
    data = {"name": "Slow or large", "kind": "failed", "reasons": ["timeout", "out_of_memory"]}
    await owner.post(f"{RULES}/new", data)
    [listed] = await app.services.alerts.rules(app.owner)
    form = await owner.get(f"{RULES}/{listed.rule.id}")
    assert form.one("//summary/*[@data-checked]").text_content() == "2"
    checked = form.all("//input[@name='reasons'][@checked]/@value")
    assert set(checked) == {reason.value for reason in listed.rule.reasons} == set(data["reasons"])
    for reason in ("timeout", "nonsense"):
        wrong = await owner.post(f"{RULES}/new", data | {"name": "", "reasons": reason}, status=422)
        assert bool(wrong.all("//details[@id='f-reasons' and @open]")) == (reason == "nonsense")


async def test_errors_are_shown_at_their_fields(app: App, owner: Visitor) -> None:
    async def faults(**data: str) -> dict[str, str]:
        page = await owner.post(f"{RULES}/new", {"name": "N", **data}, status=422)
        assert page.value("name") == data.get("name", "N")
        return {
            item.get("href").removeprefix("#f-"): item.text_content()
            for item in page.all("//*[@id='faults']//a")
        }

    assert set(await faults(kind="", name=" ")) == {"name", "kind"}
    assert "above 0 and at most 100" in (await faults(kind="fewer_rows", share="0"))["share"]
    assert "1 to 1000" in (await faults(kind="slower", multiple="0.5"))["multiple"]
    assert "Enter a number" in (await faults(kind="slower", multiple="twice"))["multiple"]
    assert set(await faults(kind="missing_field", field=" ", percent="100")) == {"field", "percent"}
    assert "above 0" in (await faults(kind="budget"))["usd"]
    assert "Unknown worker 'a/b'" in (await faults(kind="failed", worker="a/b"))["worker"]
    assert "not a mail address" in (await faults(kind="failed", emails="ada"))["emails"]
    assert "Unknown webhook" in (await faults(kind="failed", endpoints="x"))["endpoints"]


async def test_a_preview_needs_no_name_and_names_the_fields_that_are_wrong(
    app: App, owner: Visitor
) -> None:
    await app.publish("reader")
    form = await owner.get(f"{RULES}/new")
    assert form.all("//select[@name='worker']/option/@value") == ["", "owner/reader"]
    preview = {"name": " ", "kind": "failed", "act": "preview"}
    part = await owner.post(f"{RULES}/new", preview, part=True, status=200)
    assert "Correct the form first" not in part.text
    part = await owner.post(f"{RULES}/new", preview | {"worker": "a/b"}, part=True, status=200)
    assert part.one("//li").text_content().startswith("Worker: Unknown worker")
    page = await owner.post(f"{RULES}/new", preview | {"worker": "a/b"}, status=422)
    assert page.value("worker") == "a/b"


async def test_a_preview_saves_nothing(app: App, owner: Visitor) -> None:
    await app.register_runner()
    runs = [await a_run(app, rows=[{"price": 1}] * 10) for _ in range(3)]
    few = await a_run(app, rows=[{"price": 1}])
    data = {"name": "Few", "kind": "fewer_rows", "share": "50", "act": "preview", "enabled": "on"}
    page = await owner.post(f"{RULES}/new", data, status=200)
    assert f"raised 1 alerts in the last {len(runs) + 1} runs." not in page.text
    assert "would have raised one alert in the last 4 runs." in page.text
    assert page.one("//section[@id='preview']//a").get("title") == few.id
    assert page.value("share") == "50"
    part = await owner.post(f"{RULES}/new", data | {"share": "1"}, part=True, status=200)
    assert "would have raised no alerts in the last 4 runs." in part.text
    budget = {"name": "B", "kind": "budget", "megabytes": "0.001", "act": "preview"}
    page = await owner.post(f"{RULES}/new", budget, status=200)
    assert "The rule would raise an alert now." in page.text
    assert "No rules yet" in (await owner.get(RULES)).text


async def test_rules_can_be_switched_off_and_removed(app: App, owner: Visitor) -> None:
    await owner.post(f"{RULES}/example")
    page = await owner.get(RULES)
    here = page.one("//td/a[starts-with(@href, '/alerts/rules/')]").get("href")
    await owner.post(f"{here}/switch", {"to": "off"})
    assert "Off" in (await owner.get(RULES)).one("//td[@data-label='State']").text_content()
    await owner.post(f"{here}/switch", {"to": "on"})
    assert "On" in (await owner.get(RULES)).one("//td[@data-label='State']").text_content()
    async with visitor(app, app.other.user_id) as stranger:
        await stranger.get(here, status=404)
        await stranger.post(f"{here}/delete", status=404)
    await owner.post(f"{here}/delete")
    await owner.get(here, status=404)


async def test_without_a_mail_server_a_rule_keeps_its_addresses(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, alerts = app.other, app.services.alerts
    for name in ("ada@example.org", "bo@example.org"):
        user = records.user(caller.account_id, name=name, password_hash="-", confirmed_at=1)
        await app.storage.write(lambda tx, user=user: tx.accounts.add_user(user))
    mailed = RuleFields("Mail", "failed", emails=("Ada@Example.org",))
    here = f"{RULES}/{(await alerts.add_rule(caller, mailed)).rule.id}"

    async def shown(reader: Visitor) -> list[tuple[str, bool]]:
        page = await reader.get(here)
        assert "not confirmed" not in page.text
        found = page.all("//input[@name='emails']")
        return [(each.get("value"), each.get("checked") is not None) for each in found]

    async with visitor(app, caller.user_id) as reader:
        assert await shown(reader) == [("ada@example.org", True), ("bo@example.org", False)]
        monkeypatch.setattr(Alerts, "mails", False)
        assert await shown(reader) == [("ada@example.org", True)]
        assert not (await reader.get(here)).all("//a[@href='/admin/mail']"), "for operators only"
        await reader.post(f"{here}/switch", {"to": "off"})
        form = {"name": "M", "kind": "failed", "emails": "ada@example.org"}
        await reader.post(here, form | {"act": "preview"}, status=200)
        assert (await reader.post(here, form)).location == RULES
    [view] = await alerts.rules(caller)
    assert (view.rule.name, view.rule.enabled, view.rule.emails) == (
        "M", False, ("ada@example.org",),
    )  # fmt: skip
