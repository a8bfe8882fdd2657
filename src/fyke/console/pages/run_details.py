"""Beside output and log of a run: its input, what it used, its subtasks, its history."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import Page
from fyke.console.pages.run_frame import AREA, RunFrames
from fyke.console.view import View
from fyke.domain.callbacks.service import Callbacks
from fyke.domain.runs.again import input_of
from fyke.domain.runs.parts import RunParts
from fyke.domain.runs.service import Runs
from fyke.domain.runs.use import RunUses

PARTS = 50
INPUT_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class RunDetailPages:
    frames: RunFrames
    runs: Runs
    uses: RunUses
    parts: RunParts
    callbacks: Callbacks

    def pages(self) -> list[Page]:
        at = "/runs/{id}"
        return [
            Page("GET", f"{at}/input", self.input, area=AREA),
            Page("GET", f"{at}/usage", self.usage, area=AREA),
            Page("GET", f"{at}/subtasks", self.subtasks, area=AREA),
            Page("GET", f"{at}/events", self.events, area=AREA),
        ]

    async def input(self, view: View) -> Response:
        frame = await self.frames.of(view, "/input", "tab=other")
        whole = input_of(frame.view.run)["parameters"]
        return view.page(
            "run/input.html",
            frame=frame,
            custom=whole["custom"],
            system=whole["system"],
            most_chars=INPUT_CHARS,
        )

    async def usage(self, view: View) -> Response:
        frame = await self.frames.of(view, "/usage", "tab=usage")
        use = await self.uses.of_run(view.caller, frame.view.run.id)
        return view.page("run/usage.html", frame=frame, use=use)

    async def subtasks(self, view: View) -> Response:
        frame = await self.frames.of(view, "/subtasks", "tab=other")
        text = view.query.get("offset", "0")
        offset = int(text) if text.isdecimal() and len(text) < 9 else 0
        count, found = await self.parts.page(
            view.caller, frame.view.run.id, offset=offset, limit=PARTS
        )
        return view.page(
            "run/subtasks.html",
            frame=frame,
            parts=found,
            count=count,
            offset=offset,
            before=max(0, offset - PARTS) if offset else None,
            after=offset + PARTS if offset + PARTS < count else None,
        )

    async def events(self, view: View) -> Response:
        frame = await self.frames.of(view, "/events", "tab=other")
        run_id = frame.view.run.id
        return view.page(
            "run/events.html",
            frame=frame,
            events=await self.runs.events(view.caller, run_id),
            deliveries=await self.callbacks.of_run(view.caller, run_id),
        )
