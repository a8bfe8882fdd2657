"""Runs for tests of their pages."""

from __future__ import annotations

from fyke.domain.runs.service import StartRequest
from fyke.model.run import Origin
from support.app import App

TABS = ("", "/log", "/input", "/usage", "/traffic", "/subtasks", "/events", "/export", "/share")


async def started(app: App, **options: object) -> str:
    worker = await app.publish()
    custom = {"urls": [{"url": "https://a.example/<b>"}], "max_results": 7}
    body = {"parameters": {"system": options, "custom": custom}}
    run = await app.services.runs.start(
        app.owner, StartRequest(worker.id, None, body, "", Origin.WEB)
    )
    return run.id


async def finished(app: App, rows: list[object], **options: object) -> str:
    run = await started(app)
    await app.execute(rows, **options)  # type: ignore[arg-type]  # by name
    return run
