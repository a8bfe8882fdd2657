"""Saved inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, Field

from fyke.api.decode import PageIndex, PageSize20, Wire, WireName, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE
from fyke.api.operations import Call, Operation
from fyke.api.own import answers
from fyke.api.run_input import RunInput
from fyke.api.v1.words import seconds
from fyke.domain.overview import Overview
from fyke.domain.tasks.model import Task
from fyke.domain.tasks.service import Tasks
from fyke.domain.workers.jsontext import loads
from fyke.errors import TaskNotFound, VersionUnavailable, WorkerNotFound


class NewTask(Wire):
    scraper_slug: WireName = Field(validation_alias=AliasChoices("scraper_slug", "worker"))
    input: RunInput
    title: WireText = ""
    version: WireText = ""


class TaskList(Wire):
    page_index: PageIndex = Field(1, validation_alias=AliasChoices("page_index", "page"))
    page_size: PageSize20 = Field(20, validation_alias=AliasChoices("page_size", "limit"))


class TaskRef(Wire):
    slug: WireName


@dataclass(frozen=True, slots=True)
class TaskOperations:
    tasks: Tasks
    overview: Overview

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/api/fyke/tasks",
                id="createTask",
                tag="Tasks",
                summary="Save an input for a worker",
                fields=NewTask,
                handler=self.create,
                answer=answers.TaskItem,
                errors=(TABLE[WorkerNotFound], TABLE[VersionUnavailable]),
            ),
            Operation(
                "GET",
                "/api/fyke/tasks",
                id="listTasks",
                tag="Tasks",
                summary="The account's tasks, newest first",
                fields=TaskList,
                handler=self.list_tasks,
                answer=answers.TaskPage,
            ),
            Operation(
                "GET",
                "/api/fyke/tasks/{slug}",
                id="getTask",
                tag="Tasks",
                summary="A task with its input",
                fields=TaskRef,
                handler=self.show,
                answer=answers.TaskDetail,
                errors=(TABLE[TaskNotFound],),
                path_fields=("slug",),
            ),
            Operation(
                "DELETE",
                "/api/fyke/tasks/{slug}",
                id="deleteTask",
                tag="Tasks",
                summary="Remove a task; its runs stay",
                fields=TaskRef,
                handler=self.delete,
                errors=(TABLE[TaskNotFound],),
                path_fields=("slug",),
            ),
        ]

    async def create(self, call: Call, wanted: NewTask) -> bytes:
        task = await self.tasks.create(
            call.caller, wanted.scraper_slug, wanted.title, wanted.input, wanted.version
        )
        return encode((await self._views([task]))[0])

    async def list_tasks(self, call: Call, wanted: TaskList) -> bytes:
        offset = (wanted.page_index - 1) * wanted.page_size
        count, found = await self.tasks.list(call.caller, offset=offset, limit=wanted.page_size)
        return encode(
            {
                "count": count,
                "list": await self._views(found),
                "page_index": wanted.page_index,
                "page_size": wanted.page_size,
            }
        )

    async def show(self, call: Call, wanted: TaskRef) -> bytes:
        task = await self.tasks.get(call.caller, wanted.slug)
        view = (await self._views([task]))[0]
        return encode({**view, "input": loads(task.input_json)})

    async def delete(self, call: Call, wanted: TaskRef) -> bytes:
        await self.tasks.delete(call.caller, wanted.slug)
        return NULL

    async def _views(self, tasks: list[Task]) -> list[dict[str, Any]]:
        paths = await self.overview.worker_paths({task.worker_id for task in tasks})
        return [_view(task, paths.get(task.worker_id, "")) for task in tasks]


def _view(task: Task, path: str) -> dict[str, Any]:
    return {
        "slug": task.id,
        "title": task.title,
        "scraper_slug": task.worker_id,
        "scraper_path": path,
        "version": task.version,
        "created_at": seconds(task.created_at),
        "updated_at": seconds(task.updated_at),
    }
