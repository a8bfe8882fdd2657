"""What the tabs of a Worker show, even with hostile content."""

from __future__ import annotations

import pytest

from fyke.domain.runs.service import StartRequest
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.model.results import Header
from fyke.model.run import Origin, Outcome
from fyke.model.schedule import ScheduleKind
from support.app import App
from support.pages import Visitor, visitor
from support.projects import python_project

HOSTILE = """\
# <script>alert(1)</script>

<img src=x onerror=alert(1)> <iframe src="https://evil.example/"></iframe>

![see](https://evil.example/pixel.png) [click](javascript:alert(1)) [data](data:text/html,x)

[ref]: javascript:alert(1)
[this][ref] <style>body{display:none}</style> <a href="vbscript:x" onclick="y()">z</a>

```html
<script>alert(2)</script>
```

<https://evil.example/auto> <svg><use href="#x"/></svg> &lt;b onmouseover=x&gt;
"""
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://example.org/"}]}}}


async def publish(app: App, **files: str) -> str:
    project = python_project("print(1)\n", **files)
    worker, _, _ = await app.services.workers.publish(
        app.owner, project, name="odd", title="Odd", public=True
    )
    return worker.id


async def start(app: App, ref: str) -> str:
    request = StartRequest(ref, None, INPUT, "", Origin.WEB)
    return (await app.services.runs.start(app.owner, request)).id


async def test_a_hostile_readme_runs_no_code_and_loads_nothing(app: App, owner: Visitor) -> None:
    await publish(app, **{"README.md": HOSTILE, "CHANGELOG.md": HOSTILE})
    for tab in ("readme", "changelog"):
        page = await owner.get(f"/w/owner/odd/{tab}")
        block = page.all("//div[contains(@class,'markdown')]")[0]
        allowed = {"div", "p", "h2", "h3", "a", "pre", "code"}
        assert {item.tag for item in block.iter()} <= allowed
        for item in block.iter():
            scrolls = item.tag == "pre"
            own = {"role", "aria-label", "tabindex"} if scrolls else {"href", "title", "rel"}
            assert set(item.keys()) <= {"class", *own}, item.keys()
        links = [item.get("href") for item in block.iter("a") if item.get("href")]
        assert links, "a picture becomes a link"
        assert all(link.startswith("https://") for link in links), links
        assert not page.all("//img | //iframe | //object | //embed | //main//script")


async def test_output_fields_show_schema_and_rows_separately(app: App, owner: Visitor) -> None:
    columns = [{"name": "url", "type": "string", "description": "Address"}, {"name": "gone"}]
    worker = await app.publish("reader", output=columns)
    page = await owner.get("/w/owner/reader/output")
    assert page.all("//tbody/tr[1]/td[5]")[0].text_content().strip() == "no rows yet"
    await start(app, worker.id)
    await app.execute([{"url": "a", "extra": 1}], headers=[Header("A", "url", "text")])
    page = await owner.get("/w/owner/reader/output")
    rows = [
        tuple(cell.text_content().strip() for cell in row.iter("td"))
        for row in page.all("//tbody/tr")
    ]
    assert rows == [
        ("url", "Address", "text", "yes", "yes"),
        ("gone", "", "text", "yes", "no"),
        ("extra", "", "integer", "no", "yes"),
    ]
    assert "Schema and rows differ" in page.text
    async with visitor(app, app.other.user_id) as other:
        assert "extra" not in (await other.get("/w/owner/reader/output")).text


async def test_the_runs_tasks_and_schedules_of_a_worker_are_listed(
    app: App, owner: Visitor
) -> None:
    worker = await app.publish("reader")
    assert "Not run yet" in (await owner.get("/w/owner/reader/runs")).text
    assert "Not run yet" in (await owner.get("/w/owner/reader/trends")).text
    assert "No tasks yet" in (await owner.get("/w/owner/reader/tasks")).text
    assert "No schedules" in (await owner.get("/w/owner/reader/schedules")).text
    run_id = await start(app, worker.id)
    await app.execute([{"a": 1}], Outcome.EXIT_CODE, "<b>it broke</b>")
    page = await owner.get("/w/owner/reader/runs")
    row = page.one("//tbody/tr")
    assert "Failed" in row.text_content() and "<b>it broke</b>" in row.text_content()
    picture = page.one("//div[contains(@class,'large-bars')]")
    assert [bar.get("href") for bar in picture.xpath("svg/a")] == [f"/runs/{run_id}"]
    assert picture.xpath("p/a/@href") == ["/w/owner/reader/runs"]
    assert page.all(f"//a[@href='/runs/{run_id}']")
    trends = await owner.get("/w/owner/reader/trends")
    assert len(trends.all("//figure/svg")) == 4  # no costs, because no prices are set
    assert [cell.text for cell in trends.all("//section[2]//td[@data-label='Succeeded']")] == ["0%"]
    assert trends.all(f"//details//td[@data-label='Created']/a[@href='/runs/{run_id}']")
    task = await app.services.tasks.create(app.owner, worker.id, "Daily <i>", INPUT, None)
    page = await owner.get("/w/owner/reader/tasks")
    assert page.one(f"//a[@href='/tasks/{task.id}']").text_content() == "Daily <i>"
    assert (
        "None of your tasks for this Worker" in (await owner.get("/w/owner/reader/schedules")).text
    )
    tabs = " ".join(page.one("//nav[@class='tabs']").text_content().split())
    assert "Runs 1" in tabs and "Automation 1" in tabs
    run_id = (await app.services.runs.start_task(app.owner, task.id, "", Origin.WEB)).id
    await app.execute([{"a": 1}])
    every = ScheduleEdit(enabled=True, kind=ScheduleKind.INTERVAL, every_s=7200)
    await app.services.schedules.put(app.owner, task.id, every)
    page = await owner.get("/w/owner/reader/tasks")
    last = page.one("//td[@data-label='Last run']//a")
    assert (last.get("href"), last.text_content().strip()) == (f"/runs/{run_id}", "Succeeded")
    page = await owner.get("/w/owner/reader/schedules")
    assert page.one("//td[@data-label='Schedule']").text_content() == "every 2 hours"
    page = await owner.get("/schedules")
    assert page.all("//td[@data-label='Task']//*[contains(@class, 'small-bars')]")


@pytest.mark.parametrize("page", ["0", "-3", "x", "999999", "9" * 40])
async def test_invalid_page_numbers_open_a_page(app: App, owner: Visitor, page: str) -> None:
    await app.publish("reader")
    found = await owner.get(f"/w/owner/reader/runs?page={page}")
    assert "Not run yet" in found.text
