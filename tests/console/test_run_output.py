"""The rows of a run: sorting, filters, three forms, single rows, and hidden rows."""

from __future__ import annotations

import json

from fyke.model.run import Outcome
from support.app import App
from support.pages import Visitor
from support.run_pages import TABS, finished, started


async def test_rows_can_be_sorted_filtered_selected_and_shown_in_three_forms(
    app: App, owner: Visitor
) -> None:
    rows = [{"n": n, "name": f"row {n}", "deep": {"x": n}, "last": None} for n in range(1, 121)]
    run = await finished(app, rows)
    page = await owner.get(f"/runs/{run}")
    assert "1 to 50 of 120 rows" in page.text
    second = await owner.get(f"/runs/{run}?page=3")
    assert "101 to 120 of 120 rows" in second.text
    descending = await owner.get(f"/runs/{run}?sort=-n")
    assert descending.all("//tbody/tr/@id")[0] == "r-120"
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
    assert "No row matches" not in wrong.text
    none = await owner.get(f"/runs/{run}?field=n&op=gt&value=999&sort=-n")
    assert "No row matches" in none.text
    assert none.one("//a[.='Clear filters']").get("href") == "?sort=-n"
    past = (await owner.get(f"/runs/{run}?sort=-n&page=9")).text
    assert "This page is past the last row." in past
    assert "No row matches" not in past


async def test_a_huge_cell_and_a_wide_row_are_cut_with_a_link_to_the_full_value(
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
    assert row.all("//dl[contains(@class, 'row-facts')]/dd")[1].text_content() == "1"
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


async def test_rows_of_a_failed_worker_are_announced_and_can_be_shown(
    app: App, owner: Visitor
) -> None:
    run = await started(app)
    rows = [{"n": n, "t": "x" * 400} for n in range(1, 6)]
    await app.execute(rows, Outcome.EXIT_CODE, "The Worker exited with code 1")
    for tab in TABS[:-2]:
        page = await owner.get(f"/runs/{run}{tab}")
        place = "*[@id='run-ending']//*[contains(@class, 'warn')]" if tab else "*[@id='run-rows']"
        note = page.one(f"//{place}")
        text = " ".join(note.text_content().split())
        assert "5 rows are stored but hidden because the Worker failed" in text, tab
        assert "FYKE_FAILED_ROWS=keep" in text and "config.toml" in text
        figures = " ".join(page.one("//*[@id='run-figures']").text_content().split())
        assert "0 rows, 5 hidden" in figures, tab
        assert page.text.count("5 rows are stored but hidden") == 1, tab
    assert not page.all("//tbody/tr[starts-with(@id, 'r-')]")
    listed = (await owner.get("/runs?all=1")).all("//td[contains(@class, 'in-results')]//@title")
    assert listed == ["5 rows are stored but hidden because the Worker failed"]
    show, export, always = note.xpath(".//a/@href")
    assert always == "/admin/settings#failed_rows"
    settings = await owner.get("/admin/settings")
    assert settings.all("//tr[@id='port']"), "each setting has an anchor with its name"

    shown = await owner.get(show)
    ids = shown.all("//tbody/tr/@id")
    assert ids == ["r-1", "r-2", "r-3", "r-4", "r-5"]
    assert "With the rows of Workers that failed." in shown.text
    [leave] = shown.all("//a[text()='Leave them out']/@href")
    assert "failed" not in leave
    sort = shown.all("//th//a/@href")[0]
    assert "failed=1" in sort, "sorting must keep them"
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


async def test_a_long_log_leaves_room_for_the_rows_of_a_run_that_timed_out(
    app: App, owner: Visitor
) -> None:
    lines = [f"line {n}" for n in range(30)]
    run = await started(app)
    await app.execute([{"n": 1}], Outcome.TIMEOUT, "It took too long", log=lines)
    page = await owner.get(f"/runs/{run}")
    assert page.all("//tbody/tr[@id='r-1']") and len(page.all("//ol[@class='log-lines']/li")) == 5
    run = await started(app)
    await app.execute([], Outcome.TIMEOUT, "It took too long", log=lines)
    assert len((await owner.get(f"/runs/{run}")).all("//ol[@class='log-lines']/li")) == 20


async def test_a_run_without_hidden_rows_does_not_mention_them(app: App, owner: Visitor) -> None:
    run = await finished(app, [{"n": 1}])
    assert "left out" not in (await owner.get(f"/runs/{run}")).text


async def test_a_single_row_is_counted_in_words(app: App, owner: Visitor) -> None:
    page = await owner.get(f"/runs/{await finished(app, [{'n': 1}])}")
    assert page.one("//nav[@id='rows-pager']/span[1]").text.strip() == "One row"


async def test_hidden_rows_are_announced_in_chinese(app: App, owner: Visitor) -> None:
    run = await started(app)
    await app.execute([{"n": 1}], Outcome.EXIT_CODE, "The Worker exited with code 1")
    headers = {"accept": "text/html", "accept-language": "zh-CN"}
    page = (await owner.http.get(f"/runs/{run}", headers=headers)).text
    for text in ("有 1 行数据已保存", "显示这些数据行", "导出这些数据行", "始终保留"):
        assert text in page
