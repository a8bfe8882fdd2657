"""The progress of a running run, on its page and in the API."""

from __future__ import annotations

from fyke.model.progress import Progress, ProgressBasis
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
    assert "about 25%" in " ".join(figures.split())
    view = await app.services.runs.get(app.owner, run)
    assert await app.services.progress.of(view) == Progress(ProgressBasis.ROWS, 1, 4)
    await app.end(lease)
    assert not (await owner.get(f"/runs/{run}")).all("//progress")
