"""The list of runs: filters, columns, paging and bulk actions."""

from __future__ import annotations

import csv
import io
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.run import Origin, Outcome
from fyke.reasons import Reason, ReasonCode
from support.app import App
from support.pages import Page, Visitor, visitor

pytestmark = pytest.mark.anyio

TEMPLATES = Path(str(files("fyke.console"))) / "templates"
HOSTILE = '<img src=x onerror="alert(1)">'


async def started(app: App, worker: Any, number: int = 1, **custom: Any) -> list[str]:
    """Ids of new runs, oldest first."""
    made = []
    for n in range(number):
        given = {"urls": [{"url": f"https://example.org/{n}"}], **custom}
        wanted = {"parameters": {"system": {}, "custom": given}}
        request = StartRequest(worker.id, None, wanted, "", Origin.WEB)
        made.append((await app.services.runs.start(app.owner, request)).id)
    return made


def listed(page: Page) -> list[str]:
    return [checkbox.get("value") for checkbox in page.all("//tbody//input[@name='run']")]


def columns(page: Page) -> list[str]:
    heads = page.all("//table[contains(@class,'run-table')]/thead//th")
    return [" ".join(head.itertext()).strip() for head in heads][1:]


async def test_filters_are_stored_in_the_address(app: App, owner: Visitor) -> None:
    """So they survive when the user opens another page and returns."""
    reader, other = await app.publish(), await app.publish("other")
    [failed] = await started(app, reader)
    await app.execute([], Outcome.EXIT_CODE, "KeyError: title")
    await started(app, other)
    # a browser sends the whole form: empty fields are dropped from the address
    sent = "/runs?error=keyerr&state=failed&worker=owner%2Freader&from=2020-01-31&until=&version="
    answer = await owner.get(sent, status=303)
    query = parse_qs(urlsplit(answer.location).query)
    assert query == {
        "error": ["keyerr"], "state": ["failed"], "worker": ["owner/reader"],
        "from": ["2020-01-31"],
    }  # fmt: skip
    page = await owner.get(answer.location)
    assert listed(page) == [failed]
    assert [page.value(name) for name in ("error", "state", "worker", "from", "until")] == [
        "keyerr", "failed", "owner/reader", "2020-01-31", "",
    ]  # fmt: skip
    part = await owner.get(sent, part=True)
    assert listed(part) == [failed]
    pushed = urlsplit(part.answer.headers["hx-push-url"])
    assert (pushed.path, parse_qs(pushed.query)) == ("/runs", query)


async def test_the_list_shows_what_a_failed_program_said_last(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    said = "ValueError: price not found on page 7"
    for reason in (
        Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words=f"shop.errors.{said}"),
        Reason.of(ReasonCode.TIMEOUT, seconds=30),
    ):
        await started(app, worker)
        end = end_of(reason)
        await app.execute([], end.outcome, end.message, reason=end.reason)
    timeout, failed = (await owner.get("/runs")).all("//tbody//p[@class='run-error']")
    assert failed.text == said
    assert failed.get("title") == f"The Worker exited with code 1: shop.errors.{said}"
    assert timeout.text == timeout.get("title")


async def test_filters_search_the_whole_history_and_not_one_page(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    [oldest] = await started(app, worker)
    await app.execute([], Outcome.TIMEOUT, "Timeout: needle")
    await started(app, worker, 55)
    first = await owner.get("/runs")
    assert oldest not in listed(first) and len(listed(first)) == 50
    assert "56 runs" in first.text
    assert listed(await owner.get("/runs?error=needle")) == [oldest]
    [older] = first.all("//a[@rel='next']/@href")
    second = await owner.get(older)
    assert len(listed(second)) == 6 and listed(second)[-1] == oldest
    [newer] = second.all("//a[@rel='prev']/@href")
    assert listed(await owner.get(newer)) == listed(first)


async def test_a_view_can_be_saved_as_the_default_and_removed(app: App, owner: Visitor) -> None:
    await started(app, await app.publish())
    saved = await owner.post("/runs/default", {"query": "state=failed&col=results&col=task&x=1"})
    assert saved.location == "/runs?state=failed&col=task&col=results"
    opened = await owner.get("/runs", status=303)
    assert opened.location == saved.location
    page = await owner.get(opened.location)
    assert "Your default" in page.text
    everything = await owner.get("/runs?all=1")
    assert len(listed(everything)) == 1
    await owner.post("/runs/default", {"query": ""})
    assert len(listed(await owner.get("/runs"))) == 1


async def test_dates_are_native_inputs_that_accept_typing(owner: Visitor) -> None:
    page = await owner.get("/runs?from=2026-02-28")
    for name in ("from", "until"):
        control = page.one(f"//input[@name='{name}']")
        assert control.get("type") == "date" and control.get("readonly") is None
    page = await owner.get("/runs?range=24h&from=2026-02-28")
    assert page.value("range") == "24h" and page.value("from") == "24h"
    page = await owner.get("/runs?from=2d")
    assert page.value("range") == "2d"
    assert page.one("//select[@name='range']/option[@selected]").text_content() == "Last 2 days"
    page = await owner.get("/runs?from=2026-02-28T09:30&until=2026-03-01T10:00")
    assert [page.value(name) for name in ("range", "from")] == ["custom", "2026-02-28T09:30"]
    wrong = await owner.get("/runs?from=soon&run=OOO", status=422)
    faults = wrong.all("//*[@id='faults']//a/@href")
    assert faults == ["#f-from", "#f-run"]
    assert wrong.value("run") == "OOO"
    part = await owner.get("/runs?run=OOO", part=True, status=422)
    assert "up to 26 digits and capital letters" in part.text


async def test_runs_over_time_are_a_picture_and_a_table(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    assert not (await owner.get("/runs")).all("//figure")
    await started(app, worker, 3)
    page = await owner.get("/runs?state=ready&col=task")
    row = page.one("//details//table[.//th[.='Still active']]//tbody/tr")
    assert [cell.text_content() for cell in row.xpath("td")][1:] == ["3", "0", "0", "0", "3"]
    address = row.xpath("td/a/@href")[0]
    assert address in page.all("//figure//svg/a/@href")
    assert page.one("//figure/span[1]").text == "at most 3 runs per bar"
    assert page.all("//figure/figcaption/span/text()") == ["Still active"]  # no other is there
    step = await owner.get(address)
    assert len(listed(step)) == 3
    assert (step.value("range"), step.value("state")) == ("custom", "ready")
    assert len(step.value("from")) == len("2026-11-24T09:30")
    for other in ("/runs?error=x", "/runs?from=2020-01-01&until=2020-01-31"):
        assert not (await owner.get(other)).all("//figure")


async def test_a_day_is_in_the_time_zone_of_the_visitor(app: App, owner: Visitor) -> None:
    [run] = await started(app, await app.publish())

    def at_midnight(tx: Any) -> None:  # the first moment of 2026-11-02 in Tokyo
        tx.runs._db.exec_driver_sql("UPDATE runs SET created_at = 1793545200000")

    await app.storage.write(at_midnight)
    for zone, day in (("Asia/Tokyo", "02"), ("UTC", "01")):
        owner.http.cookies.set("fyke_zone", zone)
        for wanted, found in ((day, [run]), ("03", [])):
            page = await owner.get(f"/runs?from=2026-11-{wanted}&until=2026-11-{wanted}")
            assert listed(page) == found, (zone, wanted)


async def test_the_search_box_is_shown_even_without_matches(app: App, owner: Visitor) -> None:
    await started(app, await app.publish())
    page = await owner.get("/runs?error=nothing-like-this")
    assert "No runs match" in page.text and page.value("error") == "nothing-like-this"
    assert "/runs?all=1" in page.all("//div[@class='empty']//a/@href")


async def test_without_runs_the_page_links_to_the_store(owner: Visitor) -> None:
    page = await owner.get("/runs")
    assert "No runs yet" in page.text and page.all("//div[@class='empty']//a/@href") == ["/store"]


async def test_durations_are_rounded_with_the_exact_value_as_a_tooltip(
    app: App, owner: Visitor
) -> None:
    [run] = await started(app, await app.publish())
    await app.execute([])

    def work(tx: Any) -> None:
        from dataclasses import replace

        found = tx.runs.get(run)
        ended = replace(found, started_at=found.finished_at - 3_725_250)
        assert tx.runs.move(ended, found.state)

    await app.storage.write(work)
    shown = (await owner.get("/runs")).one(f"//*[@id='r-{run}-duration']/span")
    assert (shown.text, shown.get("title")) == ("1 h 2 min", "3725250 ms")


async def test_the_list_shows_the_parameters_of_each_run(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    [run] = await started(app, worker, max_results=7, note=HOSTILE)
    page = await owner.get("/runs")
    shown = page.one(f"//*[@id='r-{run}-parameters']/span")
    assert shown.text == f"urls: https://example.org/0; max_results: 7; note: {HOSTILE}"


async def test_the_selected_columns_are_stored_in_the_address(app: App, owner: Visitor) -> None:
    await started(app, await app.publish())
    usual = columns(await owner.get("/runs"))
    assert usual == [
        "State", "Run", "Worker", "Input", "Rows", "Duration", "Created",
    ]  # fmt: skip
    free = await owner.get("/runs?col=usage&col=version")  # without prices there is no usage
    assert columns(free) == ["State", "Run", "Version"]
    page = await owner.get("/runs?col=version&col=traffic&col=nonsense")
    assert columns(page) == ["State", "Run", "Version", "Traffic"]
    assert len(page.all("//input[@name='col'][@checked]")) == 2
    assert columns(await owner.get("/runs?col=none")) == ["State", "Run"]


async def test_the_list_shows_the_hint_of_a_failed_run(app: App, owner: Visitor) -> None:
    [run] = await started(app, await app.publish())
    await app.execute([], Outcome.EXIT_CODE, HOSTILE * 20)
    hint = (await owner.get("/runs")).one(f"//*[@id='r-{run}-state']/p")
    assert hint.get("title") == HOSTILE * 20 and len(hint.text) <= 160


async def test_the_list_is_exported_with_its_filters(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    [failed] = await started(app, worker)
    await app.execute([], Outcome.TIMEOUT, "Timeout")
    await started(app, worker)
    page = await owner.get("/runs?state=failed&col=task")
    [link] = page.all("//a[@download]/@href")
    answer = await owner.http.get(link)
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["run"] for row in csv.DictReader(io.StringIO(answer.text))] == [failed]


async def test_successes_without_rows_are_a_state_to_search_for(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    [empty] = await started(app, worker)
    await app.execute([])
    await started(app, worker)
    await app.execute([{"n": 1}])
    [failed] = await started(app, worker)
    await app.execute([], Outcome.TIMEOUT, "Timeout")
    page = await owner.get("/runs?state=empty")
    assert listed(page) == [empty]
    chosen = page.one("//select[@name='state']/option[@selected]")
    assert chosen.text_content() == "Succeeded, no rows"
    assert listed(await owner.get("/runs?state=empty,failed")) == [failed, empty]
    assert len(listed(await owner.get("/runs?state=empty,succeeded"))) == 2


async def test_kinds_and_exact_reasons_of_failures_are_named_apart(owner: Visitor) -> None:
    page = await owner.get("/runs?all=1&reason=timeout")
    names = [page.one(f"//label[@for='f-{name}']").text_content() for name in ("outcome", "reason")]
    assert names == ["Kind of failure", "Exact reason"]
    groups = page.all("//select[@name='reason']/optgroup/@label")
    assert groups[-1] == "Installation of packages"
    assert page.one("//select[@name='reason']//option[@selected]").text_content() == "Timeout"


async def test_an_address_that_was_changed_by_hand_leads_on(owner: Visitor) -> None:
    bogus = await owner.get("/runs?state=bogus", status=422)
    assert "choose an entry of the list" in bogus.text and "aborting," not in bogus.text
    garbage = await owner.get("/runs?state=failed&cursor=garbage", status=303)
    assert garbage.location == "/runs?state=failed"


# --- bulk actions --------------------------------------------------------------------------


async def test_bulk_actions_need_a_confirmation(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    first, second, third = await started(app, worker, 3)
    pressed = await owner.post(
        "/runs/bulk", {"action": "abort", "run": [first, second], "query": "state=ready"}
    )
    asked = await owner.get(pressed.location)  # a page to which the browser can go back
    assert "Abort 2 runs?" in asked.text
    hidden = {(i.get("name"), i.get("value")) for i in asked.all("//main//input[@type='hidden']")}
    assert {("run", first), ("run", second), ("confirmed", "1")} <= hidden
    done = await owner.post(
        "/runs/bulk",
        {"action": "abort", "run": [first, second], "query": "state=ready", "confirmed": "1"},
    )
    assert done.location == "/runs?state=ready"
    page = await owner.get(done.location)
    assert "2 runs were aborted." in page.text and listed(page) == [third]


async def test_each_skipped_run_is_listed_with_the_reason(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    [done] = await started(app, worker)
    await app.execute([])
    [waits] = await started(app, worker)
    answer = await owner.post(
        "/runs/bulk", {"action": "delete", "run": [done, waits], "confirmed": "1"}, status=200
    )
    assert "One run was deleted." in answer.text
    assert "Only a finished run can be deleted; abort it first" in answer.text
    assert listed(await owner.get("/runs")) == [waits]


async def test_an_action_can_apply_to_all_matching_runs(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    await started(app, worker, 2)
    await app.execute([], Outcome.TIMEOUT, "Timeout")
    [waits] = await started(app, worker)
    form = {"action": "delete", "all_matching": "on", "query": "state=failed"}
    asked = await owner.get((await owner.post("/runs/bulk", form)).location)
    assert "Delete all runs that match?" in asked.text
    await owner.post("/runs/bulk", form | {"confirmed": "1"})
    assert listed(await owner.get("/runs")) == [waits]
    nothing = await owner.post("/runs/bulk", {"action": "delete", "query": "state=failed"})
    assert nothing.location == "/runs?state=failed"
    assert "No runs selected" in (await owner.get(nothing.location)).text


async def test_a_rerun_from_the_list_has_the_origin_console(app: App, owner: Visitor) -> None:
    [run] = await started(app, await app.publish())
    await owner.post("/runs/bulk", {"action": "rerun", "run": run, "confirmed": "1"})
    page = await owner.get("/runs?col=origin")
    assert len(listed(page)) == 2 and page.text.count("Console") >= 2


@pytest.mark.parametrize("matching", [False, True])
async def test_a_rerun_that_arrives_twice_starts_each_run_once(
    app: App, owner: Visitor, matching: bool
) -> None:
    run_ids = await started(app, await app.publish(), 2)
    form = {"action": "rerun", **({"all_matching": "on"} if matching else {"run": run_ids})}
    asked = await owner.get((await owner.post("/runs/bulk", form)).location)
    hidden = "//main//form[@action='/runs/bulk']//input[@type='hidden']"
    fields: dict[str, list[str]] = {}
    for field in asked.all(hidden):
        fields.setdefault(field.get("name"), []).append(field.get("value"))
    for _time in range(2):
        done = await owner.post("/runs/bulk", fields)
        assert "2 runs were started." in (await owner.get(done.location)).text
    assert len(listed(await owner.get("/runs"))) == 4


async def test_nothing_is_asked_about_no_runs(app: App, owner: Visitor) -> None:
    [run] = await started(app, await app.publish())
    for query, notice in (
        ("", "No runs selected."),
        (f"&run={new_ulid()}", "The selected runs no longer exist."),
        ("&all_matching=1&query=state%3Dfailed", "No runs selected."),
    ):
        answer = await owner.get(f"/runs/bulk?action=delete{query}", status=303)
        assert notice in (await owner.get(answer.location)).text
    asked = await owner.get(f"/runs/bulk?action=delete&run={run}&run={new_ulid()}")
    assert "Delete one run?" in asked.text
    assert asked.all("//main//input[@name='run']/@value") == [run]


async def test_the_key_of_a_rerun_comes_with_the_state(app: App, owner: Visitor) -> None:
    """A live update replaces the cell of the state, so the key works once the run has ended."""
    worker = await app.publish()
    [ended] = await started(app, worker)
    await app.execute([])
    [waits] = await started(app, worker)
    page = await owner.get("/runs")
    [button] = page.all("//button[@data-key='r']")
    assert (button.get("formaction"), button.get("name")) == ("/runs/bulk", "rerun")
    assert button.get("value") == ended
    assert button.getparent().get("id") == f"r-{ended}-state" and waits in listed(page)
    update = (TEMPLATES / "runs" / "update.html").read_text(encoding="utf-8")
    assert "{{ cells.state_cell(row) }}</hx-partial>" in update
    assert page.all(f"//*[@id='r-{waits}-state']/*[@data-key='r']/@data-says")


async def test_a_viewer_sees_the_list_without_checkboxes(app: App) -> None:
    [run] = await started(app, await app.publish())
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        page = await someone.get("/runs")
        assert page.all(f"//*[@id='r-{run}-state']") and not listed(page)
        form = {"action": "abort", "run": run, "confirmed": "1"}
        refused = await someone.post("/runs/bulk", form, status=403)
        assert "not for users with the role viewer" in refused.text
        await someone.get(f"/runs/bulk?action=delete&run={run}", status=403)


async def test_a_search_that_stops_early_reports_how_far_it_looked(
    app: App, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await app.publish()
    [oldest] = await started(app, worker)
    await app.execute([], Outcome.TIMEOUT, "Timeout: needle")
    await started(app, worker, 4)
    await app.execute([], Outcome.TIMEOUT, "Timeout")
    monkeypatch.setattr("fyke.storage.sql.state.runs.lists.ERROR_SCAN_LIMIT", 2)
    page, steps = await owner.get("/runs?error=needle"), 0
    while oldest not in listed(page):
        assert "The search covered part of the history" in page.text
        [further] = page.all("//a[text()='Search older']/@href")
        page, steps = await owner.get(further), steps + 1
    assert steps == 2
