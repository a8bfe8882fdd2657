"""Saved tasks: make, read, change, remove and run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE_V2
from fyke.api.operations import Operation
from fyke.api.v1.fields import callback
from fyke.api.v2 import run_answers, task_views
from fyke.api.v2.fields import page
from fyke.api.v2.starts import REFUSALS, SYNC, StartAnswers
from fyke.api.v2.task_fields import (
    NAMES,
    NewTask,
    TaskChange,
    TaskInput,
    TaskList,
    TaskRef,
    TaskStart,
)
from fyke.domain.runs.service import Runs
from fyke.domain.tasks.service import Tasks
from fyke.domain.workers.jsontext import loads
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, TaskNotFound, VersionUnavailable, WorkerNotFound
from fyke.model.run import Origin

CHANGED = b"{}"


@dataclass(frozen=True, slots=True)
class TaskOperations:
    tasks: Tasks
    runs: Runs
    workers: Workers
    answers: StartAnswers

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_all(), *self._of_one(), *self._of_its_input(), self._start()]

    def _of_all(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/v2/worker-tasks",
                id="listWorkerTasks",
                tag="Tasks",
                summary="The account's tasks, newest first",
                fields=TaskList,
                handler=self.list,
                answer=task_views.WorkerTaskPage,
            ),
            Operation(
                "POST",
                "/api/v2/worker-tasks",
                id="createWorkerTask",
                tag="Tasks",
                summary="Save an input for a worker, with a schedule if wanted",
                fields=NewTask,
                handler=self.create,
                answer=task_views.WorkerTaskMade,
                errors=(
                    TABLE_V2[WorkerNotFound],
                    TABLE_V2[VersionUnavailable],
                    TABLE_V2[Forbidden],
                ),
            ),
        ]

    def _of_one(self) -> list[Operation[Any]]:
        path, unknown = "/api/v2/worker-tasks/{workerTaskId}", TABLE_V2[TaskNotFound]
        return [
            Operation(
                "GET",
                path,
                id="getWorkerTask",
                tag="Tasks",
                summary="A task with its input and its schedule",
                fields=TaskRef,
                handler=self.get,
                answer=task_views.WorkerTask,
                errors=(unknown,),
                path_fields=("workerTaskId",),
            ),
            Operation(
                "PUT",
                path,
                id="updateWorkerTask",
                tag="Tasks",
                summary="Change title, description or schedule; what is not given stays",
                fields=TaskChange,
                handler=self.update,
                answer=task_views.Changed,
                errors=(unknown, TABLE_V2[Forbidden]),
                path_fields=("workerTaskId",),
            ),
            Operation(
                "DELETE",
                path,
                id="deleteWorkerTask",
                tag="Tasks",
                summary="Remove a task and its schedule; its runs stay",
                fields=TaskRef,
                handler=self.delete,
                errors=(unknown, TABLE_V2[Forbidden]),
                path_fields=("workerTaskId",),
            ),
        ]

    def _of_its_input(self) -> list[Operation[Any]]:
        path, unknown = "/api/v2/worker-tasks/{workerTaskId}/input", TABLE_V2[TaskNotFound]
        return [
            Operation(
                "GET",
                path,
                id="getWorkerTaskInput",
                tag="Tasks",
                summary="The saved input and the version it is for",
                fields=TaskRef,
                handler=self.get_input,
                answer=task_views.WorkerTaskInput,
                errors=(unknown,),
                path_fields=("workerTaskId",),
            ),
            Operation(
                "PUT",
                path,
                id="updateWorkerTaskInput",
                tag="Tasks",
                summary="Replace the saved input, and the version if one is given",
                fields=TaskInput,
                handler=self.update_input,
                answer=task_views.Changed,
                errors=(
                    unknown,
                    TABLE_V2[WorkerNotFound],
                    TABLE_V2[VersionUnavailable],
                    TABLE_V2[Forbidden],
                ),
                path_fields=("workerTaskId",),
            ),
        ]

    def _start(self) -> Operation[Any]:
        return Operation(
            "POST",
            "/api/v2/worker-tasks/{workerTaskId}/runs",
            id="runWorkerTask",
            tag="Tasks",
            summary="Start a run of a task, with its own input and version",
            description=SYNC,
            fields=TaskStart,
            handler=self.start,
            answer=run_answers.WorkerRunStarted,
            errors=(TABLE_V2[TaskNotFound], TABLE_V2[WorkerNotFound], *REFUSALS),
            starts=True,
            path_fields=("workerTaskId",),
        )

    async def list(self, call: Call, wanted: TaskList) -> bytes:
        found: dict[str, Any] = {"count": 0, "list": []}
        try:
            ref = wanted.worker_id.strip()
            worker_id = (await self.workers.of_runs(call.caller, ref)).id if ref else ""
        except WorkerNotFound:
            pass  # a filter that fits nothing is no error
        else:
            found["count"], views = await self.tasks.list(
                call.caller,
                offset=(wanted.offset - 1) * wanted.limit,
                limit=wanted.limit,
                worker_id=worker_id,
                keyword=wanted.keyword.strip(),
            )
            found["list"] = [task_views.task_object(view) for view in views]
        return encode(found | page(wanted.offset, wanted.limit))

    async def create(self, call: Call, wanted: NewTask) -> bytes:
        task = await self.tasks.create(
            call.caller,
            wanted.worker_id,
            wanted.title,
            wanted.input,
            wanted.version.strip() or await self._newest(call, wanted.worker_id),
            description=wanted.description,
            schedule=wanted.change(),
            names=NAMES,
        )
        return encode({"slug": task.id})

    async def _newest(self, call: Call, worker_ref: str) -> str:
        worker = await self.workers.find(call.caller, worker_ref)
        return (await self.workers.version(call.caller, worker)).number

    async def get(self, call: Call, wanted: TaskRef) -> bytes:
        return encode(task_views.task_object(await self.tasks.view(call.caller, wanted.task_id)))

    async def update(self, call: Call, wanted: TaskChange) -> bytes:
        await self.tasks.update(
            call.caller,
            wanted.task_id,
            title=wanted.title,
            description=wanted.description,
            schedule=wanted.change(),
            names=NAMES,
        )
        return CHANGED

    async def delete(self, call: Call, wanted: TaskRef) -> bytes:
        await self.tasks.delete(call.caller, wanted.task_id)
        return NULL

    async def get_input(self, call: Call, wanted: TaskRef) -> bytes:
        task = await self.tasks.get(call.caller, wanted.task_id)
        return encode({"input": loads(task.input_json), "version": task_views.version_word(task)})

    async def update_input(self, call: Call, wanted: TaskInput) -> bytes:
        version = wanted.version.strip() or None
        await self.tasks.set_input(call.caller, wanted.task_id, wanted.input, version)
        return CHANGED

    async def start(self, call: Call, wanted: TaskStart) -> bytes:
        callback_url = callback(wanted.callback_url, required=False)
        run = await self.runs.start_task(
            call.caller, wanted.task_id, callback_url, Origin.API_V2, key=call.start_key
        )
        return await self.answers.answer(call, run, wanted)
