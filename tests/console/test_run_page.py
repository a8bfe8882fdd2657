"""The pages of one run, over HTTP without JavaScript."""

from __future__ import annotations

import json

import pytest

from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.attempt import AttemptReport
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Origin, Outcome, RunFilter
from fyke.model.runner import AttemptUsage
from fyke.reasons import Reason, ReasonCode
from support.app import App
from support.pages import Visitor, visitor
from support.run_pages import TABS, finished, started

ACTIONS = ("abort", "rerun", "task", "delete", "share")


async def test_every_tab_of_every_kind_of_run_opens(app: App, owner: Visitor) -> None:
    ended = await finished(app, [{"n": 1, "t": "<script>x</script>"}], log=["a", "b"])
    failed = await started(app)
    await app.execute([], Outcome.EXIT_CODE, "The Worker exited with code 3", log=["c"])
    waiting = await started(app)
    for run in (ended, failed, waiting):
        for tab in TABS:
            page = await owner.get(f"/runs/{run}{tab}")
            assert page.all(f"//code[text()='{run}']"), tab
            live = page.all("//@*[name()='hx-sse:connect']")
            assert bool(live) == (run == waiting and tab not in ("/export", "/share")), tab


async def test_the_header_shows_the_facts_and_the_available_actions(
    app: App, owner: Visitor
) -> None:
    run = await started(app, max_total_charge=2)
    waiting = await owner.get(f"/runs/{run}")
    assert "No machine is connected" in waiting.text
    assert waiting.all(f"//form[@action='/runs/{run}/abort']")
    assert not waiting.all(f"//form[@action='/runs/{run}/delete']")
    assert waiting.all(f"//a[contains(@href, '?from_run={run}')]")
    await owner.post(f"/runs/{run}/abort")
    over = await owner.get(f"/runs/{run}")
    assert over.all("//main//*[@role='status']")[0].text_content().strip() == "The run was aborted."
    assert "Aborted" in over.text and "Aborted on request" not in over.one("//h1").text
    assert over.all(f"//form[@action='/runs/{run}/rerun']")
    again = await owner.post(f"/runs/{run}/rerun")
    assert again.location.startswith("/runs/") and run not in again.location
    saved = await owner.post(f"/runs/{run}/task", {"title": "Kept"})
    assert saved.location.startswith("/tasks/")
    gone = await owner.post(f"/runs/{run}/delete")
    assert gone.location == "/runs"
    for tab in TABS:
        await owner.get(f"/runs/{run}{tab}", status=404)


async def test_a_run_without_rows_and_a_failed_run_are_explained(app: App, owner: Visitor) -> None:
    empty = await started(app)
    for lease in await app.begin():
        line = NewLogEntry(4, lease.attempt.number, "HTTP 403 for https://a.example", 5)
        await app.results.commit([AttemptBatch(empty, lease.attempt.id, log=[line])])
        await app.end(lease)
    page = await owner.get(f"/runs/{empty}")
    assert "Finished with 0 rows" in page.text
    assert "The site refused the requests" in page.text
    assert "HTTP 403 for https://a.example" in page.text
    assert page.one("//*[@id='run-ending']//a[starts-with(@href, '/guide')]").get("href") == (
        "/guide/recipes/blocked"
    )
    failed = await finished(
        app,
        [],
        outcome=Outcome.EXIT_CODE,
        message="exited with 3",
        log=[f"l{n}" for n in range(40)],
    )
    page = await owner.get(f"/runs/{failed}")
    assert page.text.index("exited with 3") < page.text.index("Last lines of the log")
    assert [li.get("id") for li in page.all("//ol[@class='log-lines']/li")] == [
        f"l-{n}" for n in range(21, 41)
    ]


async def test_a_share_link_shows_one_run_and_nothing_else(
    app: App, owner: Visitor, guest: Visitor
) -> None:
    run = await finished(app, [{"secret": "row"}], log=["said"])
    await owner.post(f"/runs/{run}/share", {"days": "3", "rows": "on"})
    listed = await owner.get(f"/runs/{run}/share")
    path = listed.one("//button[contains(@data-copy, '/shared/')]").get("data-copy")
    path = path[path.index("/shared/") :]
    seen = await guest.get(path)
    assert "row" in seen.text and "The reader" in seen.text
    assert not seen.all("//a[contains(@href, '/runs') or contains(@href, '/w/')]")
    assert app.owner.account_name not in seen.text and run not in seen.text
    hidden = await guest.get(f"{path}?part=log")
    assert "said" not in hidden.text
    [csv, *_] = seen.all("//a[contains(@href, '/files/')]/@href")
    assert "secret" in (await guest.http.get(csv)).text
    revoke = listed.one("//form[contains(@action, '/revoke')]").get("action")
    question = listed.one("//*[@popover and .//form[contains(@action, '/revoke')]]/form/p").text
    assert question.startswith("Revoke this link?")
    await owner.post(revoke)
    assert (await guest.http.get(csv)).status_code == 404
    revoked = await guest.get(path, status=404)
    assert revoked.one("//h1").text == "This link does not work"
    assert "Ask the sender for a new one." in revoked.text and "Sign in" not in revoked.text
    for invalid in (path[:-1] + "!", path[:30], "/shared/", f"{path}?part=log"):
        assert (await guest.get(invalid, status=404)).text == revoked.text, invalid
    bad = await owner.post(f"/runs/{run}/share", {"days": "0", "log": "on"}, status=422)
    assert bad.value("days") == "0" and "days must be 1 to 365" in bad.text


async def test_a_shared_log_can_be_read_if_the_link_includes_it(
    app: App, owner: Visitor, guest: Visitor
) -> None:
    run = await finished(app, [], log=[f"said {n}" for n in range(600)])
    _, token = await app.services.shares.create(app.owner, run, days=1, rows=False, log=True)
    page = await guest.get(f"/shared/{token}")
    assert len(page.all("//ol/li")) == 500
    earlier = await guest.get(page.one("//a[contains(@href, 'before=')]").get("href"))
    assert len(earlier.all("//ol/li")) == 100


async def test_the_operator_sees_on_which_machine_a_run_ran(app: App, owner: Visitor) -> None:
    run = await finished(app, [{"n": 1}])
    facts = (await owner.get(f"/runs/{run}")).one("//*[@id='run-facts']").text_content()
    assert "Node node" in " ".join(facts.split())
    subtasks = await owner.get(f"/runs/{run}/subtasks")
    assert subtasks.all("//td[@data-label='Attempts']//span[text()='node']")
    events = await owner.get(f"/runs/{run}/events")
    assert events.all("//td[@data-label='By']//p[text()='node']")
    assert events.all("//td[@data-label='Event']//span[text()='subtask 1']")


async def test_a_run_that_is_tried_again_says_so(app: App, owner: Visitor) -> None:
    run = await started(app, max_retries=3)
    await app.register_runner()
    [lease] = await app.begin()
    await app.push(lease, [{"n": 1}])
    await app.end(lease, Outcome.RUNNER_LOST, reason=Reason(ReasonCode.RUNNER_LOST))
    text = "It is tried again (1 of 3), because the machine node was lost."
    assert (
        text
        in (await owner.get(f"/runs/{run}")).one("//*[contains(@class,'run-waits')]").text_content()
    )
    assert text in (await owner.get(f"/runs/{run}/subtasks")).text
    assert "Lost; tried again" in (await owner.get(f"/runs/{run}/events")).text
    assert "3 per subtask" in " ".join((await owner.get(f"/runs/{run}/input")).text.split())
    await app.execute([{"n": 1}])
    parts = await owner.get(f"/runs/{run}/subtasks")
    assert "rows replaced" in parts.text
    assert parts.one("//td[@data-label='Rows']").text_content().strip() == "1"


async def test_subtasks_events_and_input_are_shown(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    custom = {"urls": [{"url": "https://a.example"}, {"url": "https://b.example"}]}
    body = {"parameters": {"system": {}, "custom": custom}}
    run = await app.services.runs.start(
        app.owner,
        StartRequest(worker.id, None, body, "https://hooks.example/told", Origin.API_V2),
    )
    await app.execute([{"n": 1}])
    parts = await owner.get(f"/runs/{run.id}/subtasks")
    assert "2 subtasks" in parts.text and "https://b.example" in parts.text
    assert len(parts.all("//td[@data-label='First start']//svg/path[@class='good']")) == 2
    assert len(parts.all("//td[@data-label='Waited']/span[@title]")) == 2
    events = await owner.get(f"/runs/{run.id}/events")
    assert "Started" in events.text and "https://hooks.example/told" in events.text
    asked = await owner.get(f"/runs/{run.id}/input")
    assert json.loads(asked.one("//pre[@id='run-input']").text) == custom
    usage = await owner.get(f"/runs/{run.id}/usage")
    assert "too short for a chart" in usage.text and "Quantities" in usage.text


async def test_memory_that_was_never_measured_is_not_drawn_as_none(
    app: App, owner: Visitor
) -> None:
    run = await started(app)
    [lease] = await app.begin()
    await app.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage(cpu_ms=9))], 60_000)
    used = AttemptUsage(
        cpu_ms=169, memory_peak_bytes=6 * 2**20, memory_mb_ms=6_000, busy_ms=600_000
    )
    await app.end(lease, usage=used)
    usage = await owner.get(f"/runs/{run}/usage")
    assert "too short for a chart" in usage.text and not usage.all("//run-chart")
    figures = [cell.text_content().strip() for cell in usage.all("//*[@id='use']//dl/div/*")]
    assert figures[:6] == [
        "CPU time used", "169 ms", "Memory used over time", "0.006 GB·s", "Peak memory", "6 MB",
    ]  # fmt: skip
    reserved = [cell.text_content().strip() for cell in usage.all("//table/tbody//td")]
    assert reserved[:2] == ["CPU time reserved", "1 min 15 s"]
    assert "300 GB·s" in reserved[reserved.index("Memory reserved over time") + 1 :][:3]
    assert "GB-hours" not in usage.text, "the unit of prices, of which there are none"


async def test_the_run_of_another_account_is_not_found_and_a_viewer_only_reads(
    app: App, owner: Visitor
) -> None:
    run = await finished(app, [{"n": 1}], log=["x"])
    async with visitor(app, app.other.user_id) as other:
        for tab in (*TABS, "/live", "/log/1", "/rows/1", "/log/download"):
            await other.get(f"/runs/{run}{tab}", status=404)
        for action in ACTIONS:
            await other.post(f"/runs/{run}/{action}", {"days": "1"}, status=404)
    await owner.get("/runs/nonsense", status=404)
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        for tab in (tab for tab in TABS if tab != "/share"):
            page = await someone.get(f"/runs/{run}{tab}")
            assert page.all(f"//code[text()='{run}']"), tab
        await someone.get(f"/runs/{run}/share", status=403)
        for action in ACTIONS:
            refused = await someone.post(f"/runs/{run}/{action}", {"days": "1"}, status=403)
            assert "viewer" in refused.text, action
    everything = RunFilter()
    count, [view] = await app.services.runs.list(app.owner, everything, offset=0, limit=9)
    assert (count, view.run.id, view.run.outcome) == (1, run, Outcome.SUCCEEDED)


@pytest.mark.parametrize(
    "place", ["/log?after=x&before=-1&level=x&line=9999999999", "?page=-3&form=no"]
)
async def test_invalid_values_in_the_address_are_ignored(
    app: App, owner: Visitor, place: str
) -> None:
    run = await finished(app, [{"n": 1}], log=["x"])
    page = await owner.get(f"/runs/{run}{place}")
    plain = await owner.get(f"/runs/{run}{place.partition('?')[0]}")
    assert page.all("//main//table//tr | //ol/li")
    for path in ("//main//table//tr", "//ol/li"):
        assert len(page.all(path)) == len(plain.all(path))


async def test_a_failure_is_explained_in_the_language_of_the_reader(
    app: App, owner: Visitor
) -> None:
    end = end_of(Reason.of(ReasonCode.TIMEOUT, seconds=60))
    run = await started(app)
    await app.execute([], end.outcome, end.message, reason=end.reason)
    old = await started(app)
    await app.execute([], Outcome.TIMEOUT, "stored by an older release")
    english = await owner.get(f"/runs/{run}")
    assert "execute_limit_time_seconds of 60 s" in end.message, "programs get the name of the API"
    assert "Timeout: the run went over its time limit of 60 s" in english.text
    assert end.message not in english.text and "Raise the time limit" in english.text
    await owner.post(
        "/settings/account/preferences",
        {"language": "zh-Hans", "theme": "dark", "time_zone": "UTC", "snippets": "go"},
    )
    for path in (f"/runs/{run}", "/runs", f"/runs/{run}/subtasks", f"/runs/{run}/events"):
        page = (await owner.get(path)).text
        assert "运行超出了 60 秒的时间限制" in page, path
        assert end.message not in page, path
    page = (await owner.get(f"/runs/{run}")).text
    assert "请在运行选项中提高时间限制" in page and "Raise the time limit" not in page
    assert "stored by an older release" in (await owner.get(f"/runs/{old}")).text


async def test_runs_are_filtered_by_the_reason_of_their_end(app: App, owner: Visitor) -> None:
    found = {}
    for code in (ReasonCode.TIMEOUT, ReasonCode.BUILDS_NOT_ALLOWED):
        end = end_of(Reason(code))
        found[code] = await started(app)
        await app.execute([], end.outcome, end.message, reason=end.reason)
    page = await owner.get("/runs?reason=builds_not_allowed")
    assert page.all(f"//a[@href='/runs/{found[ReasonCode.BUILDS_NOT_ALLOWED]}']")
    assert not page.all(f"//a[@href='/runs/{found[ReasonCode.TIMEOUT]}']")
    assert page.value("reason") == "builds_not_allowed"
    assert "choose an entry of the list" in (await owner.get("/runs?reason=bad", status=422)).text
