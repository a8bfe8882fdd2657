"""Actions on one run: abort, rerun, save as task, share, delete."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.once import once_key
from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA, RunFrames
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.callbacks.service import Callbacks
from fyke.domain.runs.rerun import rerun_input
from fyke.domain.runs.service import Runs
from fyke.domain.runs.sharing import Shares
from fyke.domain.tasks.service import Tasks
from fyke.errors import InvalidRequest
from fyke.model.run import MAX_SHARE_DAYS, Origin

SHARE_DAYS = 7


@dataclass(frozen=True, slots=True)
class RunActionPages:
    frames: RunFrames
    runs: Runs
    tasks: Tasks
    callbacks: Callbacks
    shares: Shares

    def pages(self) -> list[ConsolePage]:
        at = "/runs/{id}"
        return [
            ConsolePage("POST", f"{at}/abort", self.abort, area=AREA),
            ConsolePage("POST", f"{at}/rerun", self.rerun, area=AREA),
            ConsolePage("POST", f"{at}/task", self.save_task, area=AREA),
            ConsolePage("POST", f"{at}/delete", self.delete, area=AREA),
            ConsolePage("POST", f"{at}/deliveries/{{delivery}}/replay", self.replay, area=AREA),
            ConsolePage("GET", f"{at}/share", self.show_shares, area=AREA),
            ConsolePage("POST", f"{at}/share", self.share, area=AREA),
            ConsolePage("POST", f"{at}/share/{{share}}/revoke", self.revoke, area=AREA),
        ]

    async def abort(self, view: View) -> Response:
        run = await self.runs.abort(view.caller, view.param("id"))
        over = run.state.terminal
        text = _("The run was aborted.") if over else _("The run is stopping.")
        return view.go(f"/runs/{run.id}", text)

    async def rerun(self, view: View) -> Response:
        run_id = view.param("id")
        key = once_key(view.form, "rerun", run_id)
        run = await self.runs.rerun(view.caller, run_id, "", Origin.WEB, key=key)
        return view.go(f"/runs/{run.id}", _("The run was started again. This is the new run."))

    async def save_task(self, view: View) -> Response:
        source = await self.runs.get(view.caller, view.param("id"))
        title = view.form.get("title").strip() or source.worker.title or source.worker.name
        task = await self.tasks.create(
            view.caller,
            source.worker.id,
            title,
            rerun_input(source.run),
            source.run.version,
            key=once_key(view.form, "save", source.run.id, title),
        )
        return view.go(f"/tasks/{task.id}", _("The run was saved as a task."))

    async def delete(self, view: View) -> Response:
        await self.runs.delete(view.caller, view.param("id"))
        return view.go("/runs", _("The run was deleted with its rows and its log."))

    async def replay(self, view: View) -> Response:
        await self.callbacks.replay(view.caller, view.param("delivery"))
        return view.go(f"/runs/{view.param('id')}/events", _("The delivery is being retried."))

    # --- share links --------------------------------------------------------------------

    async def show_shares(self, view: View) -> Response:
        return await self._shares(view, {}, {})

    async def share(self, view: View) -> Response:
        run_id = view.param("id")
        days = view.form.number("days", 0) or 0
        try:
            await self.shares.create(
                view.caller, run_id, days=days, rows=view.form.on("rows"), log=view.form.on("log")
            )
        except InvalidRequest as error:
            return await self._shares(view, {"days": error.message}, view.form.values())
        return view.go(f"/runs/{run_id}/share", _("The link is ready. Copy it below."))

    async def revoke(self, view: View) -> Response:
        share = await self.shares.revoke(view.caller, view.param("share"))
        return view.go(f"/runs/{share.run_id}/share", _("The link was revoked."))

    async def _shares(self, view: View, faults: dict[str, str], typed: dict[str, str]) -> Response:
        frame = await self.frames.get(view)
        shares = await self.shares.of_run(view.caller, frame.view.run.id)
        return view.page(
            "run/share.html",
            status=422 if faults else 200,
            frame=frame,
            shares=[(share, f"{view.visit.origin}/shared/{token}") for share, token in shares],
            faults=faults,
            typed=typed,
            max_days=MAX_SHARE_DAYS,
            days=SHARE_DAYS,
        )
