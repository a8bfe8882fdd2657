"""The run form of a worker: its fields, checks of an input, imported files, snippets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.decode import read_body
from fyke.api.media import Media
from fyke.api.routes import delete, get, post, put
from fyke.domain.forms.importing import ImportChoice
from fyke.domain.forms.service import RunForms
from fyke.domain.forms.tables import MAX_BYTES
from fyke.errors import (
    Forbidden,
    NotFound,
    RunNotFound,
    TaskNotFound,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.model.account import Scope
from fyke.snippets.render import Start
from fyke.wire.fyke import forms as wire
from fyke.wire.v2.fields import WorkerId

WORKER = "/api/fyke/workers/{slug}"
_UNKNOWN = (WorkerNotFound, VersionUnavailable)
_FILE = {"type": "string", "format": "binary"}
_FILES = tuple(
    Media(kind, _FILE) for kind in ("text/csv", "text/plain", "application/octet-stream")
)


@dataclass(frozen=True, slots=True)
class FormRoutes:
    tag: ClassVar[str] = "Workers"

    forms: RunForms

    @get(f"{WORKER}/form", scope=Scope.READ, errors=_UNKNOWN)
    async def describe_form(
        self, call: Call, slug: WorkerId, query: wire.VersionSelector
    ) -> wire.WorkerForm:
        """The form of a worker's input schema."""
        return wire.WorkerForm.of(await self.forms.open(call.caller, slug, query.version))

    @get(
        f"{WORKER}/beginning",
        scope=Scope.READ,
        id="beginForm",
        errors=(*_UNKNOWN, RunNotFound, TaskNotFound),
    )
    async def get_initial_input(
        self, call: Call, slug: WorkerId, query: wire.FormStartQuery
    ) -> wire.InitialInput:
        """The input that a form starts with.

        The input of a run or a task, the one that the caller has saved, or the defaults of the
        schema.
        """
        initial = await self.forms.initial_input(
            call.caller, slug, from_run=query.from_run, task=query.task, version=query.version
        )
        if query.safe_input:
            initial = await self.forms.without_secrets(call.caller, slug, initial)
        return wire.InitialInput.of(initial)

    @get(f"{WORKER}/recent-inputs", scope=Scope.READ, errors=_UNKNOWN)
    async def list_recent_inputs(self, call: Call, slug: WorkerId) -> wire.RecentInputList:
        """The last different inputs of the account's runs of a worker.

        The last five, without those of schedules.
        """
        inputs = await self.forms.recent(call.caller, slug)
        return wire.RecentInputList([wire.RecentInput.of(item) for item in inputs])

    @post(f"{WORKER}/normalise", scope=Scope.READ, errors=_UNKNOWN)
    async def normalise_input(
        self, call: Call, slug: WorkerId, body: wire.InputToCheck
    ) -> wire.CheckedInput:
        """An input as JSON, with its errors, subtasks and cost.

        Nothing is started. Errors in the input are part of the answer.
        """
        raw = body.raw
        view = await self.forms.open(call.caller, slug, body.version)
        return wire.CheckedInput.checked(await self.forms.check(call.caller, view, raw))

    @post(f"{WORKER}/import", scope=Scope.READ, errors=_UNKNOWN, consumes=_FILES)
    async def import_input(
        self, call: Call, slug: WorkerId, body: wire.FileImport
    ) -> wire.ImportedValue:
        """Convert a CSV, TXT or XLSX file to the value of a list in the form.

        The body is the file, at most 5 MiB and 10,000 rows. Without `field` it is for the form's
        only list.
        """
        data = await read_body(call.request, MAX_BYTES + 1)
        view = await self.forms.open(call.caller, slug, body.version)
        choice = ImportChoice(body.column, body.sheet)
        imported = await self.forms.import_file(
            call.caller, view, body.field, body.name, data, choice
        )
        return wire.ImportedValue.of(*imported)

    @post(f"{WORKER}/snippet", scope=Scope.READ, errors=_UNKNOWN)
    async def write_snippet(
        self, call: Call, slug: WorkerId, body: wire.SnippetRequest
    ) -> wire.StartSnippet:
        """A program that starts a run with this input.

        It reads the key from the environment variable `FYKE_KEY`, and an input of more than 16,000
        characters from `body.json`.
        """
        raw = body.raw
        view = await self.forms.open(call.caller, slug, body.version)
        checked = (await self.forms.check(call.caller, view, raw)).value
        start = Start(
            call.visit.origin,
            view.worker.owner,
            view.worker.name,
            checked.input,
            view.version.number if body.version else "",
            body.callback_url,
        )
        return wire.StartSnippet.of(body.language, start, checked)

    @put(f"{WORKER}/default-input", scope=Scope.WRITE, errors=(*_UNKNOWN, Forbidden))
    async def save_default_input(
        self, call: Call, slug: WorkerId, body: wire.InputToCheck
    ) -> wire.SavedInput:
        """Save the input that the caller's form of a worker starts with."""
        raw = body.raw
        view = await self.forms.open(call.caller, slug, body.version)
        checked = (await self.forms.check(call.caller, view, raw)).value
        await self.forms.save_default(call.caller, slug, checked)
        return wire.SavedInput.of(checked)

    @delete(
        f"{WORKER}/default-input", scope=Scope.WRITE, errors=(WorkerNotFound, NotFound, Forbidden)
    )
    async def forget_default_input(self, call: Call, slug: WorkerId) -> None:
        """Delete the saved input; the form starts with the defaults of the schema again."""
        await self.forms.forget_default(call.caller, slug)
