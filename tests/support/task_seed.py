"""Seed data for pages: tasks, schedules, uploads and reviews."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.workers.submitting import share
from fyke.model.run import Origin, Outcome
from fyke.model.schedule import OverlapPolicy, ScheduleKind
from support.app import SCHEMA, App
from support.projects import python_project

INPUT = {
    "parameters": {
        "custom": {"urls": [{"url": "https://example.org/shop"}], "max_results": 40},
    }
}
PLANS = (
    ("Prices every morning", ScheduleEdit(enabled=True, kind=ScheduleKind.DAILY, time="07:30")),
    (
        "News, on weekdays",
        ScheduleEdit(enabled=True, kind=ScheduleKind.CRON, cron="*/20 8-18 * * 1-5"),
    ),
    (
        "The whole catalogue with all its pictures and every single description in it",
        ScheduleEdit(
            enabled=True,
            kind=ScheduleKind.WEEKLY,
            time="22:00",
            weekday=6,
            overlap=OverlapPolicy.QUEUE,
        ),
    ),
    ("Invoices", ScheduleEdit(enabled=False, kind=ScheduleKind.MONTHLY, time="09:00", day=31)),
    ("Stock", ScheduleEdit(enabled=True, kind=ScheduleKind.INTERVAL, every_s=3 * 3600)),
)
SDK = "from sdk import CoreSDK\n"


async def seed_tasks(app: App, worker_id: str) -> dict[str, str]:
    """Fill the owner's account; return addresses of the pages that have a parameter."""
    services, owner = app.services, app.owner
    tasks = []
    for title, schedule in PLANS:
        task = await services.tasks.create(
            owner, worker_id, title, INPUT, None, description="", schedule=schedule
        )
        tasks.append(task.id)
    plain = await services.tasks.create(owner, worker_id, "By hand", INPUT, None)
    await services.runs.start_task(owner, tasks[0], "", Origin.WEB)
    await app.execute([{"url": "https://example.org"}])
    await services.runs.start_task(owner, tasks[0], "", Origin.WEB)
    await app.execute([], Outcome.EXIT_CODE, "the Worker ended with exit code 1")

    def pause(tx: Any) -> None:
        schedule = tx.schedules.get(tasks[4])
        why = "paused after 10 failures in a row; the last one: the version was withdrawn"
        changes = {"enabled": False, "next_at": 0, "failures": 10, "paused_at": tx.now}
        tx.schedules.put(replace(schedule, last_error=why, **changes))

    await app.storage.write(pause)
    uploads = await _uploads(app)
    return {
        "/tasks/{id}": f"/tasks/{tasks[0]}",
        "/tasks/{id}/edit": f"/tasks/{tasks[0]}/edit",
        "/tasks/{id}/schedule": f"/tasks/{tasks[1]}/schedule",
        "/tasks/{id}/schedule when there is none": f"/tasks/{plain.id}/schedule",
        "/tasks/{id}/history": f"/tasks/{tasks[0]}/history",
        **uploads,
        "/admin/review/{id}": f"/admin/review/{await _review(app)}",
    }


async def _uploads(app: App) -> dict[str, str]:
    uploads, owner = app.services.uploads, app.owner
    schema = {
        "description": "Reads the prices of a shop",
        "properties": [
            {"name": "urls", "title": "Pages", "type": "array", "editor": "requestList"},
            {"name": "most", "title": "At most", "type": "integer", "editor": "number"},
        ],
    }
    good = python_project(
        SDK,
        schema=schema,
        output=[{"name": "price", "type": "number"}, {"name": "title", "type": "string"}],
        requirements="httpx2==2.16\n",
        **{"fyke.json": '{"egress": ["shop.example"], "install": "build"}'},
    )
    bad = python_project("print(\n", schema={"properties": [{"type": "string"}, {"name": "x"}]})
    pages = {}
    for name, data in (("ready", good), ("faulty", bad)):
        upload = await uploads.add_zip(owner, data, f"{name}.zip")
        async for _seen in uploads.follow(owner, upload.id):
            pass
        pages[name] = f"/dev/upload/{upload.id}"
    return {"/dev/upload/{id}": pages["ready"], "/dev/upload/{id} with faults": pages["faulty"]}


async def _review(app: App) -> str:
    """Add a second version of another account's Worker, which waits for its review."""
    declared = ('{"egress": ["a.example"]}', '{"egress": ["b.example"], "install": "build"}')
    mains = (f"{SDK}print('one')\n", f"{SDK}print('two')\nprint('three')\n")
    for main, text in zip(mains, declared, strict=True):
        data = python_project(main, schema=SCHEMA, **{"fyke.json": text})
        worker, _, _ = await app.services.workers.publish(
            app.other, data, name="watcher", title="The watcher", public=False
        )

    def submit(tx: Any) -> str:
        first, second = tx.workers.versions(worker.id)[::-1]
        share(tx, worker, first, required=False)
        forget = "UPDATE versions SET approved = :no WHERE worker_id = :worker AND number = :number"
        _execute(tx, forget, no=False, worker=worker.id, number=second.number)
        tx.workers.set_version_state(worker.id, second.number, second.state)
        candidate = tx.workers.version(worker.id, second.number)
        note = "It now reads three pages at once.\nTested with the shop of last week."
        submission = share(tx, tx.workers.get(worker.id), candidate, required=True, note=note)
        assert submission is not None
        return submission.id

    return await app.storage.write(submit)


def _execute(tx: Any, statement: str, **values: Any) -> None:
    from sqlalchemy import text

    tx.workers._db.execute(text(statement), values)
