"""Editing a task and its schedule. Of two concurrent edits, the second is shown both values."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from fyke.console import formats
from fyke.console.page import ConsolePage
from fyke.console.pages.alert_rules import fields_of
from fyke.console.pages.task_alerts import TaskAlerts, task_alerts
from fyke.console.pages.task_schedule import (
    TypedSchedule,
    change_of,
    fault_of,
    initial_schedule,
    schedule_spec_of,
    typed_schedule_of,
    unit_labels,
    weekdays,
)
from fyke.console.pages.tasks import AREA, frame_values
from fyke.console.problems import faults_of
from fyke.console.reasons import error_text
from fyke.console.run_options import option_title
from fyke.console.runform.input_form import InputForm, initial_form, read_submitted
from fyke.console.templating import pretty
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.alerts.service import Alerts
from fyke.domain.forms.model import InputError
from fyke.domain.forms.normalise import GivenInput, normalise
from fyke.domain.forms.service import RunForms
from fyke.domain.schedules.service import ScheduleEditedMeanwhile, Schedules
from fyke.domain.schedules.times import zone_names
from fyke.domain.tasks.board import TaskBoard, TaskCheck
from fyke.domain.tasks.service import EditedMeanwhile, TaskEdit, Tasks
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.parameters import parts
from fyke.errors import (
    InvalidRequest,
    NotFound,
    Refused,
    TaskNotFound,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.model.task import Task
from fyke.model.worker import BrowserNeed, SystemDefaults, VersionState

FORM_BYTES = 16 * 2**20
AHEAD = 10
OPTION = "input.parameters.system."


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of a task that differs from the typed one, as text or as JSON."""

    label: str
    saved: str
    typed: str
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class TaskEditPages:
    board: TaskBoard
    tasks: Tasks
    schedules: Schedules
    alerts: Alerts
    history: VersionHistory
    forms: RunForms

    def pages(self) -> list[ConsolePage]:
        task_path = f"{AREA}/{{id}}"
        return [
            ConsolePage("GET", f"{task_path}/edit", self.edit, area=AREA),
            ConsolePage("POST", f"{task_path}/edit", self.save, area=AREA, form_bytes=FORM_BYTES),
            ConsolePage("POST", f"{task_path}/latest", self.use_latest, area=AREA),
            ConsolePage("GET", f"{task_path}/schedule", self.schedule, area=AREA),
            ConsolePage("GET", f"{task_path}/schedule/ahead", self.ahead, area=AREA, part=True),
            ConsolePage("POST", f"{task_path}/schedule", self.save_schedule, area=AREA),
            ConsolePage("POST", f"{task_path}/schedule/delete", self.delete_schedule, area=AREA),
        ]

    # --- the task --------------------------------------------------------------------------

    async def edit(self, view: View) -> Response:
        check = await self.board.check(view.caller, view.param("id"))
        saved_input = json.loads(check.line.task.input_json)
        input_form = await asyncio.to_thread(
            initial_form,
            _schema(check),
            self._address(check),
            saved_input,
            browser_mb=self._browser_mb(check),
            has_nodes=await self.forms.has_nodes(),
            priced=self.forms.priced,
            json_view=check.version is None or view.query.get("view") == "json",
            option_errors=_option_errors(check),
        )
        task = check.line.task
        values = {"title": task.title, "description": task.description, "version": task.version}
        return await self._edit_page(view, check, input_form, values, task.revision)

    async def save(self, view: View) -> Response:
        try:
            check = await self.board.check(view.caller, view.param("id"))
        except TaskNotFound:  # without the task its schema is unknown, and so is its form
            raise TaskNotFound(
                _(
                    "This task does not exist any more. Copy what you typed to the form of its "
                    "Worker in another tab, and save it there as a task."
                )
            ) from None
        input_form, check_only = await read_submitted(
            _schema(check),
            self._address(check),
            view.form,
            partial(self.forms.read_file, view.caller),
            browser_mb=self._browser_mb(check),
            has_nodes=await self.forms.has_nodes(),
            priced=self.forms.priced,
        )
        typed = {name: view.form.get(name) for name in ("title", "description", "version")}
        revision = view.form.number("revision", -1)
        if check_only:
            return await self._edit_page(view, check, input_form, typed, revision)
        if input_form.faulty and check.version is not None:
            return await self._edit_page(view, check, input_form, typed, revision, status=422)
        same = (
            typed["version"] == check.line.task.version
        )  # an unchanged version may no longer exist
        edit = TaskEdit(
            title=typed["title"],
            description=typed["description"].replace("\r\n", "\n"),
            version=None if same else typed["version"],
            input=input_form.input,
        )
        base = -1 if revision is None else revision
        try:
            await self.tasks.edit(view.caller, check.line.task.id, edit, base)
        except EditedMeanwhile as meanwhile:
            current = meanwhile.current
            differences = await asyncio.to_thread(_differences, check, current, typed, input_form)
            if not differences:
                text = _("The task already has these values: they were saved elsewhere.")
                return view.go(f"{AREA}/{current.id}", text)
            return await self._edit_page(
                view, check, input_form, typed, current.revision, status=409,
                current=current, differences=differences,
            )  # fmt: skip
        except (InvalidRequest, VersionUnavailable, WorkerNotFound) as error:
            faults = faults_of(error, {name: name for name in typed}, "version")
            return await self._edit_page(
                view, check, input_form, typed, revision, status=422, faults=faults
            )
        return view.go(f"{AREA}/{check.line.task.id}", _("The task was saved."))

    def _browser_mb(self, check: TaskCheck) -> int:
        return self.forms.browser_mb(
            check.version.browser if check.version else BrowserNeed.UNKNOWN
        )

    def _address(self, check: TaskCheck) -> str:
        return f"{AREA}/{check.line.task.id}/edit"

    async def _edit_page(
        self,
        view: View,
        check: TaskCheck,
        input_form: InputForm,
        typed: dict[str, str],
        revision: int | None,
        *,
        status: int = 200,
        **more: Any,
    ) -> Response:
        values = {"faults": {}, "current": None} | more
        return await asyncio.to_thread(
            view.page_or_part,
            "tasks/edit.html",
            "work",
            status=status,
            **frame_values(check, "/edit"),
            input_form=input_form,
            frame=input_form.frame,
            typed=typed,
            revision=revision,
            numbers=await self._numbers(view, check),
            **values,
        )

    async def _numbers(self, view: View, check: TaskCheck) -> list[str]:
        """The tags and versions that the task can name; first its own, if that no longer exists."""
        current = [check.line.task.version] if check.line.task.version else []
        try:
            _worker, entries = await self.history.list(view.caller, check.line.task.worker_id)
        except WorkerNotFound:
            return current
        usable = (VersionState.PUBLISHED, VersionState.DEPRECATED)
        entries = [entry for entry in entries if entry.version.state in usable]
        numbers = sorted(tag for entry in entries for tag in entry.tags)
        numbers += [entry.version.number for entry in entries]
        return [*(number for number in current if number not in numbers), *numbers]

    async def use_latest(self, view: View) -> Response:
        """Make the task use the latest version instead of one that no longer exists."""
        task = await self.tasks.get(view.caller, view.param("id"))
        try:
            await self.tasks.edit(view.caller, task.id, TaskEdit(version=""), task.revision)
        except InvalidRequest as error:  # a run option that the latest version does not accept
            return view.go(f"{AREA}/{task.id}/edit", error_text(error), "bad")
        return view.go(f"{AREA}/{task.id}", _("The task now uses the current version."))

    # --- its schedule ----------------------------------------------------------------------

    async def schedule(self, view: View) -> Response:
        check = await self.board.check(view.caller, view.param("id"))
        typed = initial_schedule(check.line.schedule)
        return await self._schedule_page(view, check, typed, _revision(check))

    async def ahead(self, view: View) -> Response:
        """The next planned times of the typed schedule, or its errors by field."""
        values = {name: value for name, value in view.query.items() if len(value) < 200}
        return view.part(
            "tasks/schedule.html",
            "ahead",
            **await self._preview(view, view.param("id"), TypedSchedule(values)),
        )

    async def save_schedule(self, view: View) -> Response:
        check = await self.board.check(view.caller, view.param("id"))
        typed = typed_schedule_of(view.form)
        revision = view.form.number("revision", -1)
        try:
            await self.schedules.put(
                view.caller, check.line.task.id, change_of(typed), revision=revision
            )
        except ScheduleEditedMeanwhile as meanwhile:
            saved = meanwhile.current
            return await self._schedule_page(
                view,
                check,
                typed,
                saved.schedule.revision if saved else 0,
                status=409,
                meanwhile=saved,
                conflict=True,
            )
        except InvalidRequest as error:
            return await self._schedule_page(
                view, check, typed, revision, status=422, faults=fault_of(error)
            )
        address = f"{AREA}/{check.line.task.id}"
        alerts = await self._alerts(view, check)
        try:
            for fields in alerts.chosen(view.form.all("alert")):
                await self.alerts.add_rule(view.caller, fields)
            for rule in alerts.off:
                if rule.id in view.form.all("alert_on"):
                    fields = replace(fields_of(rule), enabled=True)
                    await self.alerts.change_rule(view.caller, rule.id, fields)
        except (InvalidRequest, Refused) as error:
            text = _("The schedule was saved, but not all alert rules are on: %(reason)s")
            return view.go(address, text % {"reason": error_text(error)[:300]}, "warn")
        return view.go(address, _("The schedule was saved."))

    async def _alerts(self, view: View, check: TaskCheck) -> TaskAlerts:
        return task_alerts(check.line.task, await self.alerts.rules(view.caller))

    async def delete_schedule(self, view: View) -> Response:
        await self.schedules.delete(view.caller, view.param("id"))
        return view.go(f"{AREA}/{view.param('id')}", _("The schedule was removed."))

    async def _schedule_page(
        self,
        view: View,
        check: TaskCheck,
        typed: TypedSchedule,
        revision: int | None,
        *,
        status: int = 200,
        **more: Any,
    ) -> Response:
        values = {"faults": {}, "meanwhile": None, "conflict": False} | more
        return view.page(
            "tasks/schedule.html",
            status=status,
            **frame_values(check, "/schedule"),
            typed=typed.values,
            enabled=typed.enabled,
            revision=revision,
            zones=sorted(zone_names()),
            weekdays=weekdays(),
            units=unit_labels(),
            alerts=await self._alerts(view, check),
            chosen_alerts=view.form.all("alert"),
            switched_alerts=view.form.all("alert_on"),
            **await self._preview(view, check.line.task.id, typed),
            **values,
        )

    async def _preview(self, view: View, task_id: str, typed: TypedSchedule) -> dict[str, Any]:
        try:
            planned = await self.schedules.upcoming(
                view.caller, task_id, AHEAD, schedule_spec_of(typed)
            )
        except NotFound:
            raise
        except InvalidRequest as error:
            names = [problem.field for problem in error.problems]
            text = "; ".join(fault_of(error).values())
            return {"times": [], "times_zone": "", "refused": text, "wrong": names}
        zone = ZoneInfo(planned.time_zone)
        times = [formats.moment(at, zone) for at in planned.times]
        return {"times": times, "times_zone": planned.time_zone, "refused": "", "wrong": []}


def _schema(check: TaskCheck) -> str:
    """The schema of the version, "" when unknown: the input is then edited as JSON."""
    return check.version.input_schema if check.version else ""


def _option_errors(check: TaskCheck) -> tuple[InputError, ...]:
    """The saved run options that the version does not accept."""
    return tuple(
        InputError(
            f"system.{one.name.removeprefix(OPTION)}", one.sentence.removeprefix(f"{one.name} ")
        )
        for one in check.problems
        if one.name.startswith(OPTION)
    )


def _differences(
    check: TaskCheck, current: Task, typed: dict[str, str], input_form: InputForm
) -> list[Difference]:
    """What a task has, and what was typed, where they differ."""
    found = [
        Difference(label, kept or unset, sent or unset)
        for label, kept, sent, unset in (
            (_("Title"), current.title, typed["title"], "-"),
            (_("Description"), current.description, typed["description"], "-"),
            (_("Version"), current.version, typed["version"], _("current")),
        )
        if kept != sent.replace("\r\n", "\n")
    ]
    saved = GivenInput(json.loads(current.input_json))
    kept = normalise(input_form.form, saved, SystemDefaults()).input
    return found + _input_differences(check, kept, input_form.input)


def _input_differences(check: TaskCheck, saved: Any, typed: Any) -> list[Difference]:
    """Each field and run option with another value; of what has no fields the whole input."""
    try:
        pairs = list(zip(parts(saved), parts(typed), strict=True))
        fields = parse(check.version.input_schema).fields if check.version else ()
    except InvalidRequest:
        whole = Difference(_("Input"), pretty(saved), pretty(typed), is_json=True)
        return [whole] if saved != typed else []
    labels = {field.name: field.title for field in fields}
    found = []
    for part, (kept, sent) in zip(("system", "custom"), pairs, strict=True):
        for name in dict.fromkeys([*kept, *sent]):
            before, now = (pretty(one[name]) if name in one else "-" for one in (kept, sent))
            if before != now:
                label = option_title(name) if part == "system" else labels.get(name) or name
                found.append(Difference(label, before, now, is_json=True))
    return found


def _revision(check: TaskCheck) -> int:
    return check.line.schedule.revision if check.line.schedule else 0
