"""Settings of a Worker: page content, visibility, run options, deletion."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.worker_frame import WorkerFrame, WorkerFrames
from fyke.console.problems import faults_of
from fyke.console.reasons import error_text
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.catalog.categories import Categories
from fyke.domain.catalog.removal import WorkerRemoval
from fyke.domain.review.service import Reviews
from fyke.domain.workers.page import PageChange
from fyke.domain.workers.parameters import DEVICES
from fyke.domain.workers.run_options import NAMES, DefaultRunOptions, option_errors
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, InvalidFields, NotFound, VersionUnavailable
from fyke.model.billing import MICROS
from fyke.model.submission import SubmissionState
from fyke.model.worker import SystemDefaults

AREA = "/dev/workers"


@dataclass(frozen=True, slots=True)
class WorkerSettingPages:
    frames: WorkerFrames
    workers: Workers
    removal: WorkerRemoval
    reviews: Reviews
    categories: Categories
    run_options: DefaultRunOptions

    def pages(self) -> list[ConsolePage]:
        at = "/w/{owner}/{name}/settings"
        return [
            ConsolePage("GET", at, self.show, area=AREA),
            ConsolePage("POST", at, self.save, area=AREA),
            ConsolePage("POST", f"{at}/run-options", self.save_options, area=AREA),
            ConsolePage("POST", f"{at}/publish", self.publish, area=AREA),
            ConsolePage("POST", f"{at}/private", self.make_private, area=AREA),
            ConsolePage("POST", f"{at}/take-back", self.take_back, area=AREA),
            ConsolePage("POST", f"{at}/delete", self.delete, area=AREA),
        ]

    async def show(self, view: View) -> Response:
        frame = await self._own(view)
        worker = frame.worker
        return await self._page(
            view,
            frame,
            {"title": worker.title, "description": worker.description, "icon": worker.icon},
            chosen=set(worker.categories),
        )

    async def save(self, view: View) -> Response:
        frame = await self._own(view)
        form = view.form
        chosen = {int(item) for item in form.all("categories") if item.isdecimal()}
        title = form.get("title").strip()
        faults = {} if title else {"title": _("Enter a title for the Worker.")}
        request = PageChange(
            title, form.get("description").replace("\r\n", "\n"), tuple(sorted(chosen)),
            form.get("icon").strip(),
        )  # fmt: skip
        if not faults:
            try:
                await self.workers.change_page(view.caller, frame.worker.id, request)
            except InvalidFields as error:
                names = ("title", "description", "icon", "categories")
                faults = faults_of(error, {name: name for name in names})
        if faults:
            typed = {name: form.get(name) for name in ("title", "description", "icon")}
            return await self._page(view, frame, typed, chosen, faults)
        return view.go(f"{frame.base}/settings", _("Changes saved."))

    async def save_options(self, view: View) -> Response:
        frame = await self._own(view)
        typed = {name: view.form.get(name).strip() for name in NAMES}
        faults = option_errors(typed)
        if faults:
            worker = frame.worker
            values = {
                "title": worker.title, "description": worker.description, "icon": worker.icon
            }  # fmt: skip
            return await self._page(view, frame, values, set(worker.categories), faults, typed)
        await self.run_options.change(view.caller, frame.worker.id, typed)
        return view.go(f"{frame.base}/settings", _("Changes saved."))

    async def publish(self, view: View) -> Response:
        frame = await self._own(view)
        try:
            waiting = await self.reviews.share(
                view.caller, frame.worker.id, note=view.form.get("note")
            )
        except VersionUnavailable as error:
            return view.go(f"{frame.base}/settings", error_text(error), "bad")
        text = (
            _("The version is waiting for review.")
            if waiting
            else _("The Worker is public: all users can find and run it.")
        )
        return view.go(f"{frame.base}/settings", text)

    async def make_private(self, view: View) -> Response:
        frame = await self._own(view)
        await self.reviews.unshare(view.caller, frame.worker.id)
        return view.go(
            f"{frame.base}/settings",
            _("The Worker is private: only your account can see and run it."),
        )

    async def take_back(self, view: View) -> Response:
        frame = await self._own(view)
        try:
            await self.reviews.take_back(view.caller, frame.worker.id)
        except NotFound:  # reviewed in the meantime
            return view.go(f"{frame.base}/settings", _("No version is waiting for review."), "warn")
        return view.go(f"{frame.base}/settings", _("The submission was cancelled."))

    async def delete(self, view: View) -> Response:
        frame = await self._own(view)
        if view.form.get("name").strip() != frame.worker.name:
            return await self._page(
                view,
                frame,
                {
                    "title": frame.worker.title,
                    "description": frame.worker.description,
                    "icon": frame.worker.icon,
                },
                set(frame.worker.categories),
                {"name": _("Enter %(name)s to confirm.") % {"name": frame.worker.name}},
            )
        ended_runs = await self.removal.delete(view.caller, frame.worker.id)
        notice = _("%(title)s was deleted.") % {"title": frame.worker.title}
        if ended_runs:
            notice += " " + _("%(n)s waiting runs were ended.") % {"n": ended_runs}
        return view.go(AREA, notice)

    async def _own(self, view: View) -> WorkerFrame:
        frame = await self.frames.get(view, "/settings")
        if not frame.own:
            raise Forbidden(_("Only the owner of a Worker can change its settings"))
        return frame

    async def _page(
        self,
        view: View,
        frame: WorkerFrame,
        values: dict[str, str],
        chosen: set[int],
        faults: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
    ) -> Response:
        """``options``: the run options as typed, None for the saved ones."""
        submissions = await self.reviews.of_worker(view.caller, frame.worker.id, limit=5)
        waiting = next((s for s in submissions if s.state is SubmissionState.WAITING), None)
        known = self.categories.all
        numbers = [*known, *sorted(chosen - known.keys())]
        offered = {number: _(self.categories.name(number)) for number in numbers}
        return view.page(
            "workers/settings.html",
            status=422 if faults else 200,
            frame=frame,
            values=values,
            chosen=chosen,
            offered=offered,
            faults=faults or {},
            waiting=waiting,
            last=submissions[0] if submissions else None,
            reviewed=self.reviews.needed_by(view.caller),
            options=options
            or _form_values(await self.run_options.get(view.caller, frame.worker.id)),
            devices=DEVICES,
        )


def _form_values(defaults: SystemDefaults) -> dict[str, str]:
    """The options as values of the form; "" for no limit."""
    charge, traffic = defaults.max_charge_micros, defaults.max_traffic_bytes
    return {
        "memory": str(defaults.memory_mb),
        "execute_limit_time_seconds": str(defaults.timeout_s),
        "max_total_charge": f"{Decimal(charge) / MICROS:f}" if charge else "",
        "max_total_traffic": f"{Decimal(traffic) / 1_000_000:f}" if traffic else "",
        "max_retries": str(defaults.max_retries or ""),
    }
