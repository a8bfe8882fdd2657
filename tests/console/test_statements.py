"""A page needs as many statements for many rows as for few: none is read for each row."""

from __future__ import annotations

import pytest

from fyke.domain.alerts.monitor import AlertMonitor
from fyke.domain.runs.service import StartRequest
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.model.alert import AlertFilter
from fyke.model.run import Origin, Outcome
from fyke.model.schedule import ScheduleKind
from support.app import App
from support.console_seed import seed
from support.pages import Visitor
from support.statements import executed

pytestmark = pytest.mark.anyio

FEW, MANY = 6, 30  # rows of each kind
TOLERANCE = 8  # statements that are not needed each time, such as those about the session
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://example.org"}]}}}
DAILY = ScheduleEdit(enabled=True, kind=ScheduleKind.DAILY, time="07:30")
PAGES = (
    "/overview/now", "/overview/day", "/overview/next", "/overview/workers",
    "/runs?all=1", "/runs?state=ready", "/runs?from=7d&state=failed", "/queue", "/tasks",
    "/schedules", "/schedules/month", "/alerts", "/alerts/rules/new", "/store", "/dev/workers",
    "/usage?part=task", "/usage?part=worker", "/usage/ledger", "/settings/audit", "/find?q=a",
)  # fmt: skip
TABS = "runs", "tasks", "schedules", "trends", "versions"


async def _grow(app: App, worker_id: str, number: int) -> None:
    """Add tasks with a schedule and a failed run with its alert each, then waiting runs and items
    of the queue.
    """
    services, owner = app.services, app.owner
    await app.execute([])  # what waits, so that the last alerts are those of the tasks
    request = StartRequest(worker_id, None, INPUT, "", Origin.WEB)
    for at in range(number):
        task = await services.tasks.create(
            owner, worker_id, f"Task {at}", INPUT, None, schedule=DAILY
        )
        await services.runs.start_task(owner, task.id, "", Origin.WEB)
    await app.execute([], Outcome.EXIT_CODE, "the Worker ended with exit code 1")
    await AlertMonitor(app.storage, app.results).process_pending()
    for _ in range(number):
        await services.runs.start(owner, request)
        await services.queue.enqueue(owner, request)


async def _counted(owner: Visitor, pages: list[str]) -> dict[str, int]:
    counts = {}
    for page in pages:
        await owner.get(page)
        with executed() as statements:
            await owner.get(page)
        counts[page] = len(statements)
    return counts


async def test_no_page_reads_its_rows_one_by_one(app: App, owner: Visitor) -> None:
    seeded = await seed(app)
    worker = await app.services.workers.find(app.owner, seeded.worker)
    pages = [*PAGES, *(f"/w/{seeded.worker}/{tab}" for tab in TABS)]
    await _grow(app, worker.id, FEW)
    few = await _counted(owner, pages)
    await _grow(app, worker.id, MANY)
    many = await _counted(owner, pages)
    count, alerts = await app.services.alerts.page(app.owner, AlertFilter(), offset=0, limit=MANY)
    assert count >= FEW + MANY and len({alert.task_id for alert in alerts}) == MANY
    grown = {page: (few[page], many[page]) for page in pages if many[page] > few[page] + TOLERANCE}
    assert not grown, grown
