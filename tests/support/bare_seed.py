"""An account right after set-up, with one record of each kind that has nothing in it yet."""

from __future__ import annotations

from fyke.domain.webhooks.rules import EndpointFields
from support.app import App
from support.console_seed import start
from support.task_seed import INPUT

RUN_TABS = ("", "/log", "/input", "/usage", "/traffic", "/subtasks", "/events", "/share", "/export")
WORKER_TABS = (
    *("", "/readme", "/output", "/runs", "/trends", "/tasks", "/schedules", "/versions"),
    *("/changelog", "/api", "/settings", "/secrets"),
)
TASK_TABS = ("", "/schedule", "/history")
SEARCHES = (
    *("/find?q=zzz", "/store?q=zzz", "/store?q=freh", "/store?marked=1", "/guide?q=zzzz"),
    *("/tasks?q=zzz", "/dev/workers?q=zzz", "/runs?state=failed"),
)


async def seed_bare(app: App) -> list[str]:
    """Addresses of pages about a Worker without runs, a task and a webhook that nothing used,
    runs without rows, log or traffic, and searches that find nothing.
    """
    await app.register_runner()
    services, owner = app.services, app.owner
    fresh = (await app.publish("fresh", public=False)).path
    worker = await app.publish("reader", public=False)
    empty = await start(app, worker.id)
    await app.execute()
    waiting = await start(app, worker.id)
    task = await services.tasks.create(owner, worker.id, "Never run", INPUT, None)
    hook = await services.webhooks.add(
        owner, EndpointFields("Operations", "http://127.0.0.1:1024/hook", ("run.failed",), "")
    )
    return [
        *(f"/w/{fresh}{tab}" for tab in WORKER_TABS),
        *(f"/runs/{run}{tab}" for run in (empty, waiting) for tab in RUN_TABS),
        *(f"/tasks/{task.id}{tab}" for tab in TASK_TABS),
        f"/settings/webhooks/{hook.endpoint.id}",
        *SEARCHES,
    ]
