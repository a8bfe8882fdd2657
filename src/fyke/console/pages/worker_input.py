"""The input of a Worker: form and JSON view, and the actions on it.

Every button submits the whole form to one address and names its action in ``do``, so that no typed
value is lost, with or without JavaScript.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from starlette.responses import Response

from fyke.console.once import once_key
from fyke.console.page import ConsolePage
from fyke.console.pages.store import FOR_TASK
from fyke.console.pages.worker_frame import WorkerFrame, WorkerFrames
from fyke.console.problems import nothing_to_split
from fyke.console.reasons import error_text
from fyke.console.runform import form_request
from fyke.console.runform.context import FormContext, form_context_of, warnings_of
from fyke.console.runform.form_request import FORM_VIEW, JSON_VIEW, REDRAW
from fyke.console.runform.reading import initial_input, read_input
from fyke.console.runform.reply import FormAction, FormReply, context_after
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext
from fyke.console.view import View
from fyke.domain.callbacks.allowed import AllowedCallbacks
from fyke.domain.forms.importing import ImportChoice
from fyke.domain.forms.jsonview import JsonViewError, read_json
from fyke.domain.forms.model import InputError, pretty
from fyke.domain.forms.normalise import GivenInput, beyond_form
from fyke.domain.forms.service import FormStart, FormView, InputCheck, RunForms
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.runs.start_keys import StartKey
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
    allowed: AllowedCallbacks

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", _BASE, self.show),
            ConsolePage("POST", _BASE, self.act, form_bytes=FORM_BYTES),
            ConsolePage("POST", f"{_BASE}/outlook", self.outlook, form_bytes=FORM_BYTES, part=True),
            ConsolePage("POST", f"{_BASE}/format", self.format, form_bytes=FORM_BYTES, part=True),
        ]

    async def show(self, view: View) -> Response:
        """The form with its initial input: an earlier one, or the default of user or Worker."""
        frame = await self.frames.get(view, "")
        try:
            start = await initial_input(view, self.forms, frame.worker.id)
            number = view.query.get("version", start.version)
            form = await self._open(view, frame, start, number)
        except _GONE as error:
            return view.page(_TEMPLATE, frame=frame, unavailable=error_text(error))
        checked = await self.forms.check(view.caller, form, GivenInput(start.value.input))
        context = await asyncio.to_thread(
            form_context_of,
            form.form,
            checked.value,
            form.version.defaults,
            JSON_VIEW if view.query.get("view") == JSON_VIEW else FORM_VIEW,
            errors=() if start.source == "schema" else checked.value.errors,
        )
        context.version = number if number in form.numbers else ""
        context.callback_url = start.callback_url
        missing_version = "" if number in ("", *form.numbers) else number
        context.source = _source_label(start, missing_version)
        context.has_default = start.source == "saved"
        context.pristine = start.source == "schema"
        context.task_title = start.title
        return await self._page(view, frame, form, context, checked)

    async def _open(
        self, view: View, frame: WorkerFrame, start: FormStart, number: str
    ) -> FormView:
        """The form of the version, or of the latest version when the version of an earlier input is
        gone.
        """
        try:
            return await self.forms.open(view.caller, frame.worker.id, number)
        except _GONE:
            if start.source not in ("run", "task") or "version" in view.query:
                raise
            return await self.forms.open(view.caller, frame.worker.id)

    async def act(self, view: View) -> Response:
        """Run the action of the pressed button."""
        request = form_request.read(view.form)
        frame = await self.frames.get(view, "")
        if request.button == "forget":
            return await self._forget_default(view, frame)
        submitted = await read_input(self.forms, view.caller, frame.worker.id, request)
        reply = await self._do(
            view,
            FormAction(frame, submitted.form, request, submitted.checked, submitted.other_version),
        )
        if isinstance(reply, Response):
            return reply
        context = await asyncio.to_thread(context_after, reply)
        status = 422 if context.focus else 200
        checked = reply.action.checked
        return await self._page(view, frame, submitted.form, context, checked, status=status)

    async def _do(self, view: View, action: FormAction) -> Response | FormReply:
        button = action.request.button
        if button == "default":
            await self.forms.save_default(view.caller, action.frame.worker.id, action.checked.value)
            text = _("The form now starts with these values.")
            return FormReply(action, notice=text)
        if button == "import":
            return await self._import(view, action)
        if button in (FORM_VIEW, JSON_VIEW, REDRAW, "rows"):
            return _redrawn(action)
        if action.checked.value.errors:
            return FormReply(action, refused=True)
        if button == "task":
            return await self._save_task(view, action)
        if empty := action.checked.outlook.plan.empty:
            return FormReply(action, problem=nothing_to_split(empty))
        beyond = await _beyond_form(action.form, action.checked)
        if beyond and action.request.subject != (digest := _digest(beyond)):
            return FormReply(action, asked=digest)
        return await self._start(view, action)

    async def _start(self, view: View, action: FormAction) -> Response | FormReply:
        request = StartRequest(
            worker_ref=action.frame.worker.id,
            version=action.request.version or None,
            input=action.checked.value.input,
            callback_url=action.request.callback_url,
            origin=Origin.WEB,
            key=await self._key(view, action, action.request.callback_url),
        )
        try:
            run = await self.runs.start(view.caller, request)
        except FykeError as error:
            reply = FormReply(action, problem=error_text(error))
            if error.problems[0].field != "callback_url":
                return reply
            entry = self.allowed.entry_for(view.caller, request.callback_url)
            return replace(reply, about_callback=True, callback_entry=entry)
        return view.go(f"/runs/{run.id}")

    async def _key(self, view: View, action: FormAction, *more: str) -> StartKey | None:
        """The same for a form that arrives twice."""
        request, value = action.request, action.checked.value
        asked = (request.button, action.frame.worker.id, request.version, value.input, *more)
        return await asyncio.to_thread(once_key, view.form, *asked)

    async def _save_task(self, view: View, action: FormAction) -> Response | FormReply:
        request, worker = action.request, action.frame.worker
        try:
            task = await self.tasks.create(
                view.caller,
                worker.id,
                request.title,
                action.checked.value.input,
                request.version or None,
                key=await self._key(view, action, request.title),
            )
        except InvalidRequest as error:
            return FormReply(action, task_fault=error_text(error))
        return view.go(f"/tasks/{task.id}", _("The task was saved."))

    async def _forget_default(self, view: View, frame: WorkerFrame) -> Response:
        address = frame.base + (f"?for={FOR_TASK}" if _is_for_task(view) else "")
        try:
            await self.forms.forget_default(view.caller, frame.worker.id)
        except NotFound:
            return view.go(address)
        return view.go(address, _("The form starts with the Worker's defaults again."))

    async def _import(self, view: View, action: FormAction) -> FormReply:
        """Add the entries of a file to a list."""
        request, form = action.request, action.form
        names = list(form.form.fields)
        control_id = f"x{names.index(request.subject)}" if request.subject in names else ""
        upload = view.form.files.get(f"file:{control_id}")
        if upload is None or not upload.filename:
            return FormReply(
                action, import_errors=(_field_error(request.subject, _("Choose a file.")),)
            )
        choice = ImportChoice(column=view.form.get(f"column:{control_id}"))
        data = await upload.read()
        try:
            name, imported = await self.forms.import_file(
                view.caller, form, request.subject, upload.filename, data, choice
            )
        except InvalidRequest as error:
            return FormReply(action, import_errors=(_field_error(request.subject, error.message),))
        previous = action.checked.value.custom.get(name)
        listed = [*(previous if isinstance(previous, list) else []), *imported.value]
        custom = {**action.checked.value.custom, name: listed}
        rechecked = await self.forms.check(
            view.caller, form, GivenInput(replace(action.checked.value, custom=custom).input)
        )
        count = len(imported.value)
        notice = ngettext("%(num)s entry was added.", "%(num)s entries were added.", count)
        return FormReply(
            replace(action, checked=rechecked),
            redraw=True,
            notice=notice % {"num": count},
            import_errors=imported.errors,
        )

    async def _page(
        self,
        view: View,
        frame: WorkerFrame,
        form: FormView,
        context: FormContext,
        checked: InputCheck,
        *,
        status: int = 200,
    ) -> Response:
        return await asyncio.to_thread(
            view.page_or_part,
            _TEMPLATE,
            "work",
            status=status,
            frame=frame,
            worker=frame.worker,
            form=form.form,
            context=context,
            versions=form.numbers,
            drawn=form.version.number,
            outlook=checked.outlook,
            faults=len(checked.value.errors),
            pristine=context.pristine,
            warnings=warnings_of(form.form, await _beyond_form(form, checked)),
            for_task=_is_for_task(view),
            recent=await self.forms.recent(view.caller, frame.worker.id),
            missing_secrets=await self._missing_secrets(view, form),
            unavailable="",
        )

    async def _missing_secrets(self, view: View, form: FormView) -> tuple[str, ...]:
        """The secrets that the version needs and that are not set."""
        worker, version = form.worker, form.version
        if not version.secrets:
            return ()
        return (await self.secrets.read(view.caller, worker.id, version.number)).missing

    async def outlook(self, view: View) -> Response:
        """The estimate of a start, updated while the user types."""
        request = form_request.read(view.form)
        ref = f"{view.param('owner')}/{view.param('name')}"
        submitted = await read_input(self.forms, view.caller, ref, request)
        checked = submitted.checked
        faults = len(checked.value.errors)
        return view.part(
            "workers/outlook.html",
            "outlook",
            outlook=checked.outlook,
            faults=faults,
            pristine=False,
            warnings=warnings_of(submitted.form.form, await _beyond_form(submitted.form, checked)),
        )

    async def format(self, view: View) -> Response:
        """The typed JSON, indented, or its error. Numbers keep their digits."""
        answer = await asyncio.to_thread(_formatted, view.form.get("text"))
        return Response(answer, media_type="application/json")


async def _beyond_form(form: FormView, checked: InputCheck) -> tuple[InputError, ...]:
    return await asyncio.to_thread(beyond_form, form.form, checked.value)


def _digest(errors: Iterable[InputError]) -> str:
    """What a start has asked about, so that it asks again about anything else."""
    asked = json.dumps([(error.path, error.row, error.column, error.rule) for error in errors])
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def _is_for_task(view: View) -> bool:
    """Whether the Worker was chosen for a new task."""
    return FOR_TASK in (view.query.get("for"), view.form.get("for"))


def _formatted(text: str) -> str:
    try:
        answer = {"text": pretty(read_json(text)), "fault": ""}
    except JsonViewError as error:
        answer = {"text": "", "fault": str(error)}
    return json.dumps(answer)


def _redrawn(action: FormAction) -> FormReply:
    """The other view of the same value, or more rows in a table."""
    request = action.request
    if request.button == "rows" and not request.pasted:
        field = action.form.form.fields.get(request.subject)
        return FormReply(replace(action, request=request.with_rows(field)) if field else action)
    return FormReply(action, redraw=True)


def _field_error(name: str, fault: str) -> InputError:
    return InputError(f"custom.{name}", fault)


def _source_label(start: FormStart, missing_version: str) -> str:
    """The source of the input. ``missing_version``: its version, when that no longer exists."""
    labels = {"run": _("Input of an earlier run"), "saved": _("Your default")}
    text = labels.get(start.source, "")
    if start.source == "task":
        text = _("Input of the task %(title)s") % {"title": start.title}
    if not missing_version or not text:
        return text
    return _(
        "%(source)s; version %(number)s can no longer run, so the form uses the current version"
    ) % {
        "source": text,
        "number": missing_version,
    }
