"""Tabs of a run besides output and log: input, usage, subtasks, history."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.gantt import row_of, scale_of
from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA, RunFrames
from fyke.console.usage_marks import marked_rows
from fyke.console.view import View
from fyke.domain.callbacks.service import Callbacks
from fyke.domain.runs.rerun import rerun_input
from fyke.domain.runs.service import Runs
from fyke.domain.runs.subtask_reader import SubtaskReader
from fyke.domain.runs.usage import RunUsages
from fyke.model.run import SubtaskState

SUBTASKS = 50
INPUT_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class RunDetailPages:
    frames: RunFrames
    runs: Runs
    usages: RunUsages
    subtask_reader: SubtaskReader
    callbacks: Callbacks

    def pages(self) -> list[ConsolePage]:
        at = "/runs/{id}"
        return [
            ConsolePage("GET", f"{at}/input", self.input, area=AREA),
            ConsolePage("GET", f"{at}/usage", self.usage, area=AREA),
            ConsolePage("GET", f"{at}/subtasks", self.subtasks, area=AREA),
            ConsolePage("GET", f"{at}/events", self.events, area=AREA),
        ]

    async def input(self, view: View) -> Response:
        frame = await self.frames.get(view, "/input", "tab=other")
        saved_input = rerun_input(frame.view.run)["parameters"]
        return view.page(
            "run/input.html",
            frame=frame,
            custom=saved_input["custom"],
            system=saved_input["system"],
            max_chars=INPUT_CHARS,
        )

    async def usage(self, view: View) -> Response:
        frame = await self.frames.get(view, "/usage", "tab=usage")
        usage = await self.usages.of_run(view.caller, frame.view.run.id)
        return view.page("run/usage.html", frame=frame, usage=usage, marked=marked_rows(usage))

    async def subtasks(self, view: View) -> Response:
        frame = await self.frames.get(view, "/subtasks", "tab=other")
        text = view.query.get("offset", "0")
        offset = int(text) if text.isdecimal() and len(text) < 9 else 0
        count, subtasks = await self.subtask_reader.page(
            view.caller, frame.view.run.id, offset=offset, limit=SUBTASKS
        )
        run, now = frame.view.run, view.context.clock.now_ms()
        scale = scale_of(run.created_at, run.finished_at, now)
        rows = {
            entry.subtask.ordinal: row_of(
                entry.attempts,
                scale,
                scale.end,
                view.zone,
                waits=entry.subtask.state is SubtaskState.WAITING,
            )
            for entry in subtasks
        }
        return view.page(
            "run/subtasks.html",
            frame=frame,
            subtasks=subtasks,
            scale=scale,
            times=rows,
            count=count,
            offset=offset,
            before=max(0, offset - SUBTASKS) if offset else None,
            after=offset + SUBTASKS if offset + SUBTASKS < count else None,
        )

    async def events(self, view: View) -> Response:
        frame = await self.frames.get(view, "/events", "tab=other")
        run_id = frame.view.run.id
        return view.page(
            "run/events.html",
            frame=frame,
            events=await self.runs.events(view.caller, run_id),
            ordinals=await self.frames.subtasks.ordinals_in_events(view.caller, run_id),
            deliveries=await self.callbacks.of_run(view.caller, run_id),
        )
