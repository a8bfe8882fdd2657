"""The pages of one run, over HTTP without JavaScript."""

from __future__ import annotations

import json

import pytest

from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header
from fyke.model.run import Origin, Outcome, RunFilter
from fyke.reasons import Reason, ReasonCode
from support.app import App
from support.pages import Visitor, stranger, visitor

TABS = ("", "/log", "/input", "/usage", "/traffic", "/subtasks", "/events", "/export", "/share")
ACTS = ("abort", "rerun", "task", "delete", "share")


async def started(app: App, **options: object) -> str:
    worker = await app.publish()
    custom = {"urls": [{"url": "https://a.example/<b>"}], "max_results": 7}
    body = {"parameters": {"system": options, "custom": custom}}
    run = await app.services.runs.start(
        app.owner, StartRequest(worker.id, None, body, "", Origin.WEB)
    )
    return run.id


async def finished(app: App, rows: list[object], **more: object) -> str:
    run = await started(app)
    await app.execute(rows, **more)  # type: ignore[arg-type]  # by name
    return run


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


async def test_the_strip_says_each_fact_and_what_can_be_done(app: App, owner: Visitor) -> None:
    run = await started(app, max_total_charge=2)
    waiting = await owner.get(f"/runs/{run}")
    assert "no runner is alive" in waiting.text
    assert waiting.all(f"//form[@action='/runs/{run}/abort']")
    assert not waiting.all(f"//form[@action='/runs/{run}/delete']")
    assert waiting.all(f"//a[contains(@href, '?from_run={run}')]")
    await owner.post(f"/runs/{run}/abort")
    over = await owner.get(f"/runs/{run}")
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


async def test_a_run_with_0_rows_and_a_failed_one_say_why(app: App, owner: Visitor) -> None:
    empty = await started(app)
    for lease in await app.begin():
        line = NewLogEntry(4, lease.attempt.number, "HTTP 403 for https://a.example", 5)
        await app.results.commit([AttemptBatch(empty, lease.attempt.id, log=[line])])
        await app.end(lease)
    page = await owner.get(f"/runs/{empty}")
    assert "Finished with 0 rows" in page.text
    assert "The site refused the requests" in page.text
    assert "HTTP 403 for https://a.example" in page.text
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


async def test_rows_can_be_sorted_filtered_chosen_and_shown_in_three_forms(
    app: App, owner: Visitor
) -> None:
    rows = [{"n": n, "name": f"row {n}", "deep": {"x": n}, "last": None} for n in range(1, 121)]
    run = await finished(app, rows)
    page = await owner.get(f"/runs/{run}")
    assert "1 to 50 of 120 rows" in page.text
    second = await owner.get(f"/runs/{run}?page=3")
    assert "101 to 120 of 120 rows" in second.text
    falling = await owner.get(f"/runs/{run}?sort=-n")
    assert falling.all("//tbody/tr/@id")[0] == "r-120"
    some = await owner.get(f"/runs/{run}?field=n&op=gt&value=118&col=name")
    assert some.all("//tbody/tr/@id") == ["r-119", "r-120"]
    assert [head.text_content().strip() for head in some.all("//thead/tr/th")] == ["#", "name"]
    pinned = await owner.get(f"/runs/{run}?pin=name")
    assert pinned.all("//thead/tr/th")[1].get("class") == "pinned"
    records = await owner.get(f"/runs/{run}?form=record")
    assert records.all("//article")[0].xpath(".//dt")[0].text == "n"
    shown = await owner.get(f"/runs/{run}?form=json")
    assert json.loads(shown.all("//pre")[-1].text)["name"] == "row 50"
    wrong = await owner.get(f"/runs/{run}?field=n&op=near&value=1", status=422)
    assert "operators are" in wrong.text
    assert "No row matches" in (await owner.get(f"/runs/{run}?field=n&op=gt&value=999")).text


async def test_a_huge_cell_and_a_wide_row_have_a_page_and_a_way_to_the_whole(
    app: App, owner: Visitor
) -> None:
    text = "x\u00e9" * (5 * 2**20 // 3)
    wide = {f"column {n}": n for n in range(10_000)}
    run = await finished(app, [{"big": text, "n": 1}, wide])
    page = await owner.get(f"/runs/{run}")
    assert len(page.raw) < 400_000
    assert page.all("//a[@class='cell-more']")
    assert len(page.all("//thead/tr/th")) <= 9
    assert "columns are shown" in page.text
    everything = await owner.get(f"/runs/{run}?all=1")
    assert len(everything.all("//thead/tr/th")) == 41
    row = await owner.get(f"/runs/{run}/rows/1")
    assert len(row.raw) < 100_000
    value = await owner.get(f"/runs/{run}/rows/1/value?field=big")
    assert value.answer.text == text
    assert value.answer.headers["content-disposition"].startswith("attachment")
    second = await owner.get(f"/runs/{run}/rows/2")
    assert "9,800 more are in the file" in second.text
    whole = await owner.get(f"/runs/{run}/rows/2/value")
    assert whole.answer.json() == wide
    for form in ("record", "json"):
        assert len((await owner.get(f"/runs/{run}?form={form}")).raw) < 400_000
    for missing in ("/rows/3", "/rows/0", "/rows/x", "/rows/1/value?field=no"):
        status = 422 if "field" in missing else 404
        await owner.get(f"/runs/{run}{missing}", status=status)


async def test_the_log_shows_its_end_and_leads_anywhere(app: App, owner: Visitor) -> None:
    run = await finished(app, [{"n": 1}], log=[f"line {n}" for n in range(1, 1201)])
    page = await owner.get(f"/runs/{run}/log")
    shown = page.all("//ol[@id='log-lines']/li/@id")
    assert (len(shown), shown[0], shown[-1]) == (500, "l-701", "l-1200")
    earlier = page.one("//a[@data-earlier]").get("href")
    before = await owner.get(earlier)
    assert before.all("//ol[@id='log-lines']/li/@id")[-1] == "l-700"
    part = await owner.get(earlier, part=True)
    assert part.raw.count("<hx-partial") == 2
    first = await owner.get(f"/runs/{run}/log?after=0")
    assert first.all("//ol[@id='log-lines']/li/@id")[0] == "l-1"
    found = await owner.get(f"/runs/{run}/log?search=LINE 99")
    assert found.all("//ol[@id='log-lines']/li/@id") == [
        "l-99",
        *(f"l-{n}" for n in range(990, 1000)),
    ]
    named = await owner.get(f"/runs/{run}/log?line=600")
    assert named.one("//li[contains(@class, 'chosen')]").get("id") == "l-600"
    nothing = await owner.get(f"/runs/{run}/log?search=nowhere")
    assert "No line matches" in nothing.text and nothing.value("search") == "nowhere"
    assert page.all(f"//a[@href='/runs/{run}/log/download']")
    away = await owner.get(f"/runs/{run}/log/download", status=303)
    file = await owner.http.get(away.location)
    assert file.status_code == 200 and file.text.count("\n") == 1200


async def test_a_megabyte_of_escapes_in_one_line(app: App, owner: Visitor) -> None:
    run = await started(app)
    [lease] = await app.begin()
    text = "\x1b[31mred \x1b[0m<b>\x1b]8;;javascript:x\x07 https://a.example/ " * 20_000
    entry = NewLogEntry(2, lease.attempt.number, text, 5)
    await app.results.commit([AttemptBatch(run, lease.attempt.id, log=[entry])])
    page = await owner.get(f"/runs/{run}/log")
    assert len(page.raw) < 200_000
    assert page.all("//span[contains(@class, 'ansi-red')]")
    assert "\x1b" not in page.raw and "javascript:" not in page.raw
    link = page.all("//li//a[starts-with(@href, 'http')]")[0]
    assert link.get("rel") == "nofollow noopener noreferrer"
    more = page.one("//a[@class='line-more']").get("href")
    whole = await owner.get(more)
    assert whole.text.count("red") >= 20_000
    file = await owner.get(f"{more}/text")
    assert file.answer.text == text


async def test_an_export_is_asked_for_with_its_limits_and_fetched(app: App, owner: Visitor) -> None:
    rows = [{"b": "=1+1", "a": {"x": 1}, "c": ""}]
    run = await finished(app, rows, headers=[Header("B", "b", "text"), Header("A", "a", "text")])
    page = await owner.get(f"/runs/{run}/export")
    assert len(page.all("//input[@name='format']")) == 8
    assert "65,536 rows a sheet" in page.text
    assert page.one("//input[@name='safe']").get("checked") is not None
    asked = f"/runs/{run}/export/file?format=csv&key=a&key=b&safe=1"
    away = await owner.get(asked, status=303)
    assert (await owner.http.get(away.location)).text == 'a,b\r\n"{""x"":1}",\'=1+1\r\n'
    flat = await owner.get(f"/runs/{run}/export/file?format=json&flatten=1&clean=1", status=303)
    assert (await owner.http.get(flat.location)).json() == [{"b": "=1+1", "a.x": 1}]
    wrong = await owner.get(f"/runs/{run}/export/file?format=doc", status=422)
    assert "format must be one of" in wrong.text


async def test_an_export_has_the_name_that_was_wanted_and_a_link_to_hand_on(
    app: App, owner: Visitor
) -> None:
    run = await finished(app, [{"b": 1}])
    at = f"/runs/{run}/export/file?format=csv&name="
    away = await owner.get(f"{at}prices-2026.csv", status=303)
    file = await owner.http.get(away.location)
    assert "prices-2026.csv" in file.headers["content-disposition"]
    wrong = await owner.get(f"{at}../etc", status=422)
    assert wrong.one("//*[@id='faults']//a").get("href") == "#f-name"
    assert wrong.value("name") == "../etc"
    page = await owner.get(f"{at}mine&do=link")
    link = page.one("//button[@aria-label='Copy link']").get("data-copy")
    assert link.endswith("/mine.csv") and "for 15 min" in page.text
    async with stranger(app) as guest:
        assert (await guest.http.get(link)).text == "b\r\n1\r\n"


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
    await owner.post(revoke)
    await guest.get(path, status=404)
    await guest.get(path[:-1] + "!", status=404)
    bad = await owner.post(f"/runs/{run}/share", {"days": "0", "log": "on"}, status=422)
    assert bad.value("days") == "0" and "days must be 1 to 365" in bad.text


async def test_a_shared_log_can_be_read_when_the_link_says_so(
    app: App, owner: Visitor, guest: Visitor
) -> None:
    run = await finished(app, [], log=[f"said {n}" for n in range(600)])
    _, token = await app.services.shares.make(app.owner, run, days=1, rows=False, log=True)
    page = await guest.get(f"/shared/{token}")
    assert len(page.all("//ol/li")) == 500
    earlier = await guest.get(page.one("//a[contains(@href, 'before=')]").get("href"))
    assert len(earlier.all("//ol/li")) == 100


async def test_subtasks_events_and_input_say_what_was_and_what_came(
    app: App, owner: Visitor
) -> None:
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
    events = await owner.get(f"/runs/{run.id}/events")
    assert "Started" in events.text and "https://hooks.example/told" in events.text
    asked = await owner.get(f"/runs/{run.id}/input")
    assert json.loads(asked.one("//pre[@id='run-input']").text) == custom
    usage = await owner.get(f"/runs/{run.id}/usage")
    assert "too short for a chart" in usage.text and "Total" in usage.text


async def test_another_accounts_run_is_nothing_and_a_viewer_only_looks(
    app: App, owner: Visitor
) -> None:
    run = await finished(app, [{"n": 1}], log=["x"])
    async with visitor(app, app.other.user_id) as other:
        for tab in (*TABS, "/live", "/log/1", "/rows/1", "/log/download"):
            await other.get(f"/runs/{run}{tab}", status=404)
        for act in ACTS:
            await other.post(f"/runs/{run}/{act}", {"days": "1"}, status=404)
    await owner.get("/runs/nonsense", status=404)
    viewer = User(new_ulid(), app.owner.account_id, "looks", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        for tab in (tab for tab in TABS if tab != "/share"):
            page = await someone.get(f"/runs/{run}{tab}")
            assert page.all(f"//code[text()='{run}']"), tab
        await someone.get(f"/runs/{run}/share", status=403)
        for act in ACTS:
            refused = await someone.post(f"/runs/{run}/{act}", {"days": "1"}, status=403)
            assert "viewer" in refused.text, act
    everything = RunFilter()
    count, [view] = await app.services.runs.list(app.owner, everything, offset=0, limit=9)
    assert (count, view.run.id, view.run.outcome) == (1, run, Outcome.SUCCEEDED)


@pytest.mark.parametrize(
    "place", ["/log?after=x&before=-1&level=x&line=9999999999", "?page=-3&form=no"]
)
async def test_nonsense_in_an_address_counts_as_nothing(
    app: App, owner: Visitor, place: str
) -> None:
    run = await finished(app, [{"n": 1}], log=["x"])
    page = await owner.get(f"/runs/{run}{place}")
    plain = await owner.get(f"/runs/{run}{place.partition('?')[0]}")
    assert page.all("//main//table//tr | //ol/li")
    for path in ("//main//table//tr", "//ol/li"):
        assert len(page.all(path)) == len(plain.all(path))


async def test_a_format_that_is_too_small_for_the_run_is_marked(app: App, owner: Visitor) -> None:
    run = await finished(app, [{f"c{n}": n for n in range(300)}])
    page = await owner.get(f"/runs/{run}/export")
    old = page.one("//input[@name='format' and @value='xls']")
    assert old.get("disabled") is not None
    assert "at most 256 columns" in page.text
    assert page.all("//textarea[@name='keys']")
    assert page.one("//input[@name='format' and @value='xlsx']").get("disabled") is None


async def test_rows_of_a_worker_that_failed_are_named_and_can_be_had(
    app: App, owner: Visitor
) -> None:
    run = await started(app)
    rows = [{"n": n, "t": "x" * 400} for n in range(1, 6)]
    await app.execute(rows, Outcome.EXIT_CODE, "The Worker exited with code 1")
    for tab in TABS[:-2]:
        page = await owner.get(f"/runs/{run}{tab}")
        note = page.one("//*[@id='run-ending']//*[contains(@class, 'warn')]")
        text = " ".join(note.text_content().split())
        assert "5 rows are stored and left out because the Worker failed" in text, tab
        assert "FYKE_FAILED_ROWS=keep" in text and "config.toml" in text
    assert not page.all("//tbody/tr[starts-with(@id, 'r-')]")
    show, export, always = note.xpath(".//a/@href")
    assert always == "/admin/settings#failed_rows"
    settings = await owner.get("/admin/settings")
    assert settings.all("//tr[@id='port']"), "each setting has a place of its name"

    shown = await owner.get(show)
    ids = shown.all("//tbody/tr/@id")
    assert ids == ["r-1", "r-2", "r-3", "r-4", "r-5"]
    assert "With the rows of Workers that failed." in shown.text
    [leave] = shown.all("//a[text()='Leave them out']/@href")
    assert "failed" not in leave
    sort = shown.all("//th//a/@href")[0]
    assert "failed=1" in sort, "another order keeps them"
    row = await owner.get(shown.all("//tr[@id='r-3']//a/@href")[0])
    assert row.all("//a[@rel='next' or contains(., 'Next')]/@href")
    [value] = row.all("//a[contains(@href, '/value?field=t')]/@href") or [""]
    assert not value or (await owner.http.get(value)).text == "x" * 400
    whole = await owner.http.get(shown.all("//tr[@id='r-3']//a[@class='cell-more']/@href")[0])
    assert whole.status_code == 200
    assert (await owner.http.get(f"/runs/{run}/rows/3")).status_code == 404

    form = await owner.get(export)
    assert "5 rows" in form.text and form.value("failed") == "1"
    asked = {"format": "csv", "failed": "1"}
    file = await owner.http.get(f"/runs/{run}/export/file", params=asked, follow_redirects=True)
    assert file.text.count("x" * 400) == 5
    plain = await owner.http.get(
        f"/runs/{run}/export/file", params={"format": "csv"}, follow_redirects=True
    )
    assert "x" * 400 not in plain.text


async def test_a_run_without_hidden_rows_has_no_note_of_them(app: App, owner: Visitor) -> None:
    run = await finished(app, [{"n": 1}])
    assert "left out" not in (await owner.get(f"/runs/{run}")).text


async def test_hidden_rows_are_named_in_chinese(app: App, owner: Visitor) -> None:
    run = await started(app)
    await app.execute([{"n": 1}], Outcome.EXIT_CODE, "The Worker exited with code 1")
    headers = {"accept": "text/html", "accept-language": "zh-CN"}
    page = (await owner.http.get(f"/runs/{run}", headers=headers)).text
    for text in ("有 1 行已保存", "显示这些行", "导出这些行", "始终保留"):
        assert text in page


async def test_a_failure_is_explained_in_the_language_of_the_reader(
    app: App, owner: Visitor
) -> None:
    end = end_of(Reason.of(ReasonCode.TIMEOUT, seconds=60))
    run = await started(app)
    await app.execute([], end.outcome, end.message, reason=end.reason)
    old = await started(app)
    await app.execute([], Outcome.TIMEOUT, "stored by an older release")
    english = await owner.get(f"/runs/{run}")
    assert end.message in english.text and "Raise the time limit" in english.text
    await owner.post(
        "/settings/account/preferences",
        {"language": "zh-Hans", "theme": "dark", "time_zone": "UTC", "snippets": "go"},
    )
    for path in (f"/runs/{run}", "/runs", f"/runs/{run}/subtasks", f"/runs/{run}/events"):
        page = (await owner.get(path)).text
        assert "运行超出了 execute_limit_time_seconds" in page, path
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
    assert "there is no reason" in (await owner.get("/runs?reason=bad", status=422)).text
