"""The input of a Worker: form and JSON view, and the actions on it.

Every button sends the whole form to one address and says in ``do`` what it is for, so that nothing
that was typed is lost, with JavaScript or without.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.worker_frame import WorkerFrame, WorkerFrames
from fyke.console.reasons import said
from fyke.console.runform import form_request
from fyke.console.runform.answering import FormAction, FormReply, page_with_errors
from fyke.console.runform.context import FormContext, form_context_of
from fyke.console.runform.form_request import FORM_VIEW, JSON_VIEW, REDRAW
from fyke.console.runform.reading import begin, read_input
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext
from fyke.console.view import View
from fyke.domain.forms.importing import ImportChoice
from fyke.domain.forms.jsonview import JsonViewError, read_json
from fyke.domain.forms.model import InputError, pretty
from fyke.domain.forms.normalise import GivenInput
from fyke.domain.forms.service import FormStart, FormView, InputCheck, RunForms
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.secrets.service import WorkerSecrets
from fyke.domain.tasks.service import Tasks
from fyke.errors import FykeError, InvalidRequest, NotFound, UnknownVersion, VersionUnavailable
from fyke.model.run import Origin

FORM_BYTES = 16 * 2**20
_TEMPLATE = "workers/input.html"
_BASE = "/w/{owner}/{name}"
_GONE = (VersionUnavailable, UnknownVersion)


@dataclass(frozen=True, slots=True)
class WorkerInputPages:
    frames: WorkerFrames
    forms: RunForms
    runs: Runs
    tasks: Tasks
    secrets: WorkerSecrets

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", _BASE, self.show),
            ConsolePage("POST", _BASE, self.act, form_bytes=FORM_BYTES),
            ConsolePage("POST", f"{_BASE}/outlook", self.outlook, form_bytes=FORM_BYTES, part=True),
            ConsolePage("POST", f"{_BASE}/format", self.format, form_bytes=FORM_BYTES, part=True),
        ]

    async def show(self, view: View) -> Response:
        """The form with its initial input: an earlier one, or the default of user or Worker."""
        frame = await self.frames.of(view, "")
        try:
            start = await begin(view, self.forms, frame.worker.id)
            number = view.query.get("version", start.version)
            form = await self._open(view, frame, start, number)
        except _GONE as error:
            return view.page(_TEMPLATE, frame=frame, unavailable=said(error))
        checked = await self.forms.check(view.caller, form, GivenInput(start.value.input))
        work = await asyncio.to_thread(
            form_context_of,
            form.form,
            checked.value,
            form.version.defaults,
            JSON_VIEW if view.query.get("view") == JSON_VIEW else FORM_VIEW,
            errors=() if start.source == "schema" else checked.value.errors,
        )
        work.version = number if number in form.numbers else ""
        work.callback_url = start.callback_url
        work.source = _source(start, gone="" if number in ("", *form.numbers) else number)
        work.has_default = start.source == "saved"
        work.pristine = start.source == "schema"
        work.task_title = start.title
        return await self._page(view, frame, form, work, checked)

    async def _open(
        self, view: View, frame: WorkerFrame, start: FormStart, number: str
    ) -> FormView:
        """The form of the version, or of the latest one when that of an earlier input is gone."""
        try:
            return await self.forms.open(view.caller, frame.worker.id, number)
        except _GONE:
            if start.source not in ("run", "task") or "version" in view.query:
                raise
            return await self.forms.open(view.caller, frame.worker.id)

    async def act(self, view: View) -> Response:
        """Runs the action of the pressed button."""
        request = form_request.read(view.form)
        frame = await self.frames.of(view, "")
        if request.act == "forget":
            return await self._forget_default(view, frame)
        found = await read_input(self.forms, view.caller, frame.worker.id, request)
        reply = await self._do(
            view, FormAction(frame, found.form, request, found.checked, found.moved)
        )
        if isinstance(reply, Response):
            return reply
        work = await asyncio.to_thread(page_with_errors, reply)
        status = 422 if work.focus else 200
        checked = reply.asked.checked
        return await self._page(view, frame, found.form, work, checked, status=status)

    async def _do(self, view: View, asked: FormAction) -> Response | FormReply:
        act = asked.request.act
        if act == "default":
            await self.forms.save_default(view.caller, asked.frame.worker.id, asked.checked.value)
            text = _("The form now starts with these values.")
            return FormReply(asked, notice=text)
        if act == "import":
            return await self._import(view, asked)
        if act in (FORM_VIEW, JSON_VIEW, REDRAW, "rows"):
            return _switched(asked)
        if asked.checked.value.errors:
            return FormReply(asked, refused=True)
        return await (self._save_task if act == "task" else self._start)(view, asked)

    async def _start(self, view: View, asked: FormAction) -> Response | FormReply:
        request = StartRequest(
            worker_ref=asked.frame.worker.id,
            version=asked.request.version or None,
            input=asked.checked.value.input,
            callback_url=asked.request.callback_url,
            origin=Origin.WEB,
        )
        try:
            run = await self.runs.start(view.caller, request)
        except FykeError as error:
            of_callback = error.problems[0].field == "callback_url"
            return FormReply(asked, problem=said(error), of_callback=of_callback)
        return view.go(f"/runs/{run.id}")

    async def _save_task(self, view: View, asked: FormAction) -> Response | FormReply:
        request, worker = asked.request, asked.frame.worker
        try:
            task = await self.tasks.create(
                view.caller,
                worker.id,
                request.title,
                asked.checked.value.input,
                request.version or None,
            )
        except InvalidRequest as error:
            return FormReply(asked, task_fault=said(error))
        there = "/tasks" in view.around.pages
        address = f"/tasks/{task.id}" if there else f"{asked.frame.base}?task={task.id}"
        return view.go(address, _("The task was saved."))

    async def _forget_default(self, view: View, frame: WorkerFrame) -> Response:
        try:
            await self.forms.forget_default(view.caller, frame.worker.id)
        except NotFound:
            return view.go(frame.base)
        return view.go(frame.base, _("The form starts with the Worker's defaults again."))

    async def _import(self, view: View, asked: FormAction) -> FormReply:
        """Add the entries of a file to a list."""
        request, form = asked.request, asked.form
        names = list(form.form.fields)
        place = f"x{names.index(request.subject)}" if request.subject in names else ""
        upload = view.form.files.get(f"file:{place}")
        if upload is None or not upload.filename:
            return FormReply(asked, more=(_about(request.subject, _("Choose a file.")),))
        choice = ImportChoice(column=view.form.get(f"column:{place}"))
        data = await upload.read()
        try:
            name, found = await self.forms.import_file(
                form, request.subject, upload.filename, data, choice
            )
        except InvalidRequest as error:
            return FormReply(asked, more=(_about(request.subject, error.message),))
        before = asked.checked.value.custom.get(name)
        listed = [*(before if isinstance(before, list) else []), *found.value]
        custom = {**asked.checked.value.custom, name: listed}
        again = await self.forms.check(
            view.caller, form, GivenInput(replace(asked.checked.value, custom=custom).input)
        )
        count = len(found.value)
        notice = ngettext("%(num)s entry was added.", "%(num)s entries were added.", count)
        return FormReply(
            replace(asked, checked=again),
            afresh=True,
            notice=notice % {"num": count},
            more=found.errors,
        )

    async def _page(
        self,
        view: View,
        frame: WorkerFrame,
        form: FormView,
        work: FormContext,
        checked: InputCheck,
        *,
        status: int = 200,
    ) -> Response:
        return view.page_or_part(
            _TEMPLATE,
            "work",
            status=status,
            frame=frame,
            worker=frame.worker,
            form=form.form,
            work=work,
            versions=form.numbers,
            drawn=form.version.number,
            outlook=checked.outlook,
            faults=len(checked.value.errors),
            pristine=work.pristine,
            recent=await self.forms.recent(view.caller, frame.worker.id),
            lacking=await self._lacking(view, form),
            unavailable="",
        )

    async def _lacking(self, view: View, form: FormView) -> tuple[str, ...]:
        """The secrets that the version needs and that are not set."""
        worker, version = form.worker, form.version
        if not version.secrets:
            return ()
        return (await self.secrets.read(view.caller, worker.id, version.number)).missing

    async def outlook(self, view: View) -> Response:
        """The estimate of a start, updated while the user types."""
        request = form_request.read(view.form)
        ref = f"{view.param('owner')}/{view.param('name')}"
        checked = (await read_input(self.forms, view.caller, ref, request)).checked
        faults = len(checked.value.errors)
        return view.part(
            "workers/outlook.html",
            "outlook",
            outlook=checked.outlook,
            faults=faults,
            pristine=False,
        )

    async def format(self, view: View) -> Response:
        """The typed JSON, indented, or its error. Numbers keep their digits."""
        try:
            answer = {"text": pretty(read_json(view.form.get("text"))), "fault": ""}
        except JsonViewError as bad:
            answer = {"text": "", "fault": str(bad)}
        return Response(json.dumps(answer), media_type="application/json")


def _switched(asked: FormAction) -> FormReply:
    """The other view of the same value, or more room in a table."""
    request = asked.request
    if request.act == "rows" and not request.pasted:
        field = asked.form.form.fields.get(request.subject)
        return FormReply(replace(asked, request=request.with_rows(field)) if field else asked)
    return FormReply(asked, afresh=True)


def _about(name: str, fault: str) -> InputError:
    return InputError(f"custom.{name}", fault)


def _source(start: FormStart, gone: str) -> str:
    """The source of the input. ``gone``: its version, when that no longer exists."""
    words = {"run": _("Input of an earlier run"), "saved": _("Your default")}
    text = words.get(start.source, "")
    if start.source == "task":
        text = _("Input of the task %(title)s") % {"title": start.title}
    if not gone or not text:
        return text
    return _(
        "%(source)s; version %(number)s can no longer run, so the form uses the latest version"
    ) % {
        "source": text,
        "number": gone,
    }
