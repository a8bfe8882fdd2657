"""Tasks: the list with schedules and last results, checks, changes and copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, post, put
from fyke.domain.tasks.board import TaskBoard
from fyke.domain.tasks.service import Tasks
from fyke.errors import Conflict, Forbidden, TaskNotFound, VersionUnavailable
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import tasks as wire

PATH = "/api/fyke/tasks"
TASK = f"{PATH}/{{slug}}"


@dataclass(frozen=True, slots=True)
class TaskBoardRoutes:
    tag: ClassVar[str] = "Tasks"

    tasks: Tasks
    board: TaskBoard

    @get(PATH, scope=Scope.READ)
    async def list_task_board(self, call: Call, query: wire.TaskQuery) -> wire.TaskLinePage:
        """Tasks with schedule, next run, last result and problems."""
        count, lines = await self.board.page(
            call.caller,
            offset=query.offset,
            limit=query.page_size,
            keyword=query.keyword.strip(),
        )
        return wire.TaskLinePage.of(count, [wire.TaskLineItem.of(line) for line in lines], query)

    @get(TASK, scope=Scope.READ, errors=(TaskNotFound,))
    async def check_task(self, call: Call, slug: Name) -> wire.CheckedTask:
        """One task, and whether it can run as it is saved."""
        return await self._checked(call, slug)

    @put(
        TASK,
        scope=Scope.WRITE,
        errors=(TaskNotFound, Forbidden, Conflict, VersionUnavailable),
    )
    async def edit_task(
        self, call: Call, slug: Name, body: wire.TaskEditFields
    ) -> wire.CheckedTask:
        """Change a task unless another user has changed it since `revision` was read."""
        await self.tasks.edit(call.caller, slug, body.edit, body.revision)
        return await self._checked(call, slug)

    @post(f"{TASK}/clone", scope=Scope.WRITE, errors=(TaskNotFound, Forbidden))
    async def clone_task(self, call: Call, slug: Name) -> wire.CheckedTask:
        """Copy a task; the schedule of the copy is off."""
        copy = await self.tasks.clone(call.caller, slug)
        return await self._checked(call, copy.id)

    async def _checked(self, call: Call, task: str) -> wire.CheckedTask:
        return wire.CheckedTask.checked(await self.board.check(call.caller, task))
