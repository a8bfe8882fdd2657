"""Tasks for tests of their pages."""

from __future__ import annotations

from typing import Any

from fyke.domain.schedules.editing import ScheduleEdit
from fyke.model.schedule import ScheduleKind
from fyke.model.task import Task
from support.app import App

INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example/"}], "max_results": 3}}}


async def a_task(app: App, title: str = "Prices", **options: Any) -> Task:
    worker = await app.publish("reader")
    return await app.services.tasks.create(app.owner, worker.id, title, INPUT, None, **options)


async def scheduled(app: App, title: str = "Prices") -> Task:
    return await a_task(
        app, title, schedule=ScheduleEdit(enabled=True, kind=ScheduleKind.DAILY, time="09:30")
    )
