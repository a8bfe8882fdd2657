"""The service behind the search for everything."""

from __future__ import annotations

from fyke.domain.finder import MAX_EACH, MIN_ID, Matches
from fyke.model.worker import MAX_SEARCH
from support.app import App
from support.run_pages import started


async def test_few_of_each_kind_are_found(app: App) -> None:
    runs = [await started(app) for _ in range(MAX_EACH + 1)]
    find = app.services.finder.find
    latest = await find(app.owner, "  ")
    assert [row.line.id for row in latest.runs] == runs[:0:-1]
    assert (latest.workers, latest.tasks) == ([], [])
    reader = await find(app.owner, "reader")
    assert [worker.path for worker in reader.workers] == ["owner/reader"]
    assert len(reader.runs) == MAX_EACH
    tail = await find(app.owner, runs[0][-MIN_ID:].lower())
    assert runs[0] in [row.line.id for row in tail.runs]
    assert await find(app.other, runs[0]) == Matches([], [], [])


async def test_texts_that_are_no_id_find_nothing(app: App) -> None:
    await started(app)
    for text in ("%%%%", "ILOU", "x" * (MAX_SEARCH + 9), "……………", "'; --"):
        assert (await app.services.finder.find(app.owner, text)).runs == [], text
