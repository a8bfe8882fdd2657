"""The progress of a running run, on its page and in the API."""

from __future__ import annotations

from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptReport
from fyke.model.progress import Progress, ProgressBasis, WorkerProgress
from fyke.model.run import Origin
from fyke.model.runner import AttemptUsage
from support.app import App
from support.pages import Visitor
from support.run_pages import finished, started


async def test_a_run_is_compared_with_the_rows_of_earlier_ones(app: App, owner: Visitor) -> None:
    for _ in range(3):
        await finished(app, [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}])
    run = await started(app)
    assert not (await owner.get(f"/runs/{run}")).all("//progress"), "it has not started"
    await app.register_runner()
    [lease] = await app.begin()
    await app.push(lease, [{"n": 1}])
    page = await owner.get(f"/runs/{run}")
    assert page.one("//progress").get("value") == "25"
    figures = page.one("//*[@id='run-figures']").text_content()
    assert "1 of about 4 rows, as in earlier runs" in " ".join(figures.split())
    view = await app.services.runs.get(app.owner, run)
    assert await app.services.progress.of(view.run, view.results) == Progress(
        ProgressBasis.ROWS, 1, 4
    )
    await app.end(lease)
    assert not (await owner.get(f"/runs/{run}")).all("//progress")


async def test_runs_with_other_inputs_give_no_estimate(app: App, owner: Visitor) -> None:
    worker = await app.publish()

    async def start(most: int) -> str:
        custom = {"urls": [{"url": "https://a.example/"}], "max_results": most}
        body = {"parameters": {"system": {}, "custom": custom}}
        request = StartRequest(worker.id, None, body, "", Origin.WEB)
        return (await app.services.runs.start(app.owner, request)).id

    for _ in range(3):
        await start(10)
        await app.execute([{"n": 1}, {"n": 2}])
    run = await start(60)
    await app.register_runner()
    [lease] = await app.begin()
    await app.push(lease, [{"n": 1}])
    assert not (await owner.get(f"/runs/{run}")).all("//*[@class='run-progress']")


async def test_what_the_worker_reports_is_shown_as_text(app: App, owner: Visitor) -> None:
    run = await started(app)
    await app.register_runner()
    [lease] = await app.begin()
    text = '<img src=x onerror="alert(1)"> ' + "x" * 160

    async def shown(*progress: int | str) -> list[str]:
        said = WorkerProgress(*progress)  # type: ignore[arg-type]
        report = AttemptReport(lease.attempt.key, AttemptUsage(), progress=said)
        await app.attempts.report([report], 60_000)
        page = await owner.get(f"/runs/{run}")
        found = page.all("//dl[@id='run-figures']/div[dt='Progress' or dt='Current step']/dd")
        return [" ".join(element.text_content().split()) for element in found]

    assert await shown(1200, 4800, text) == ["1,200 of 4,800", text]
    page = await owner.get(f"/runs/{run}")
    assert page.one("//progress").get("value") == "25"
    assert page.one("//dd[@title]").get("title") == text
    assert not page.all("//main//img[@src='x']")
    assert await shown(1200) == ["1,200 done"]
    assert await shown(0, 0, "signs in") == ["signs in"]
    assert not (await owner.get(f"/runs/{run}")).all("//progress")
    await app.end(lease)
    assert not (await owner.get(f"/runs/{run}")).all(
        "//*[@class='run-progress' or contains(@class, 'run-step')]"
    )
