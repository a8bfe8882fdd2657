"""The run form of a worker for programs: its fields, what an input means, files, snippets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.decode import read_body
from fyke.api.documents import Media
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Operation
from fyke.api.own import form_answers as answers
from fyke.api.own.form_fields import BeginningRef, FormRef, ImportRef, InputBody, SnippetBody
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.billing.pricing import format_usage
from fyke.domain.forms.importing import ImportChoice
from fyke.domain.forms.model import ABSENT, FormField, InputError
from fyke.domain.forms.pairs import control
from fyke.domain.forms.service import Checked, FormView, RunForms
from fyke.domain.forms.tables import MAX_BYTES
from fyke.errors import (
    Forbidden,
    InvalidFields,
    NotFound,
    RunNotFound,
    TaskNotFound,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.reasons import sentence
from fyke.snippets.render import IDS, LANGUAGES, Start, body_text, snippet

_PATH = "/api/fyke/workers/{slug}"
_TYPES = ("text/csv", "text/plain", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class FormOperations:
    forms: RunForms

    def operations(self) -> list[Operation[Any]]:
        return [*self._reads(), *self._checks(), *self._keeps()]

    def _reads(self) -> list[Operation[Any]]:
        unknown = (TABLE[WorkerNotFound], TABLE[VersionUnavailable])
        return [
            Operation(
                "GET",
                f"{_PATH}/form",
                id="describeForm",
                tag="Workers",
                summary="The form that a worker's input schema makes",
                fields=FormRef,
                handler=self.describe,
                answer=answers.FormAnswer,
                errors=unknown,
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                f"{_PATH}/beginning",
                id="beginForm",
                tag="Workers",
                summary="The input that a form begins with",
                description="That of a run or a task, the caller's own, or what the schema says.",
                fields=BeginningRef,
                handler=self.begin,
                answer=answers.BeginningAnswer,
                errors=(*unknown, TABLE[RunNotFound], TABLE[TaskNotFound]),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                f"{_PATH}/recent-inputs",
                id="listRecentInputs",
                tag="Workers",
                summary="The inputs of the account's last runs of a worker",
                fields=FormRef,
                handler=self.recent,
                answer=answers.RecentInputs,
                errors=unknown,
                path_fields=("slug",),
            ),
        ]

    def _checks(self) -> list[Operation[Any]]:
        unknown = (TABLE[WorkerNotFound], TABLE[VersionUnavailable])
        return [
            Operation(
                "POST",
                f"{_PATH}/normalise",
                id="normaliseInput",
                tag="Workers",
                summary="What an input means: its JSON, its faults, its subtasks and its costs",
                description="Nothing is started. Faults are part of the answer.",
                fields=InputBody,
                handler=self.normalise,
                answer=answers.CheckedInput,
                errors=unknown,
                path_fields=("slug",),
            ),
            Operation(
                "POST",
                f"{_PATH}/import",
                id="importInput",
                tag="Workers",
                summary="A CSV, TXT or XLSX file as the value of a list of the form",
                fields=ImportRef,
                handler=self.import_file,
                answer=answers.ImportedValue,
                errors=unknown,
                raw_body=True,
                path_fields=("slug",),
                consumes=tuple(Media(t, {"type": "string", "format": "binary"}) for t in _TYPES),
            ),
            Operation(
                "POST",
                f"{_PATH}/snippet",
                id="writeSnippet",
                tag="Workers",
                summary="A program that starts a run with this input",
                fields=SnippetBody,
                handler=self.snippet,
                answer=answers.SnippetAnswer,
                errors=unknown,
                path_fields=("slug",),
            ),
        ]

    def _keeps(self) -> list[Operation[Any]]:
        unknown = (TABLE[WorkerNotFound], TABLE[VersionUnavailable])
        return [
            Operation(
                "PUT",
                f"{_PATH}/default-input",
                id="saveDefaultInput",
                tag="Workers",
                summary="Let the caller's form of a worker begin with this input",
                fields=InputBody,
                handler=self.save,
                answer=answers.SavedInput,
                errors=(*unknown, TABLE[Forbidden]),
                path_fields=("slug",),
            ),
            Operation(
                "DELETE",
                f"{_PATH}/default-input",
                id="forgetDefaultInput",
                tag="Workers",
                summary="Let the form begin with what the schema says again",
                fields=FormRef,
                handler=self.forget,
                errors=(TABLE[WorkerNotFound], TABLE[NotFound], TABLE[Forbidden]),
                path_fields=("slug",),
            ),
        ]

    async def describe(self, call: Call, wanted: FormRef) -> bytes:
        view = await self.forms.open(call.caller, wanted.slug, wanted.version)
        return encode(_form(view))

    async def begin(self, call: Call, wanted: BeginningRef) -> bytes:
        found = await self.forms.begin(
            call.caller,
            wanted.slug,
            from_run=wanted.from_run,
            task=wanted.task,
            version=wanted.version,
        )
        return encode(
            {
                "source": found.source,
                "ref": found.ref,
                "title": found.title,
                "version": found.version,
                "callback_url": found.callback_url,
                "input": found.value.input,
            }
        )

    async def recent(self, call: Call, wanted: FormRef) -> bytes:
        found = await self.forms.recent(call.caller, wanted.slug)
        listed = [
            {
                "run_slug": each.run_id,
                "state": each.state.value,
                "version": each.version,
                "summary": each.summary,
                "created_at": seconds(each.at),
            }
            for each in found
        ]
        return encode({"list": listed})

    async def normalise(self, call: Call, wanted: InputBody) -> bytes:
        raw = wanted.raw
        view = await self.forms.open(call.caller, wanted.slug, wanted.version)
        return encode(_checked(await self.forms.check(call.caller, view, raw)))

    async def import_file(self, call: Call, wanted: ImportRef) -> bytes:
        data = await read_body(call.request, MAX_BYTES + 1)
        view = await self.forms.open(call.caller, wanted.slug, wanted.version)
        choice = ImportChoice(wanted.column, wanted.sheet)
        field, found = await self.forms.import_file(view, wanted.field, wanted.name, data, choice)
        return encode(
            {
                "field": field,
                "value": found.value,
                "header": found.header,
                "errors": _faults(found.errors),
            }
        )

    async def snippet(self, call: Call, wanted: SnippetBody) -> bytes:
        if wanted.language not in IDS:
            raise InvalidFields(f"language must be one of {', '.join(IDS)}")
        raw = wanted.raw
        view = await self.forms.open(call.caller, wanted.slug, wanted.version)
        checked = await self.forms.check(call.caller, view, raw)
        start = Start(
            call.visit.origin,
            view.worker.owner,
            view.worker.name,
            checked.value.input,
            view.version.number if wanted.version else "",
            wanted.callback_url,
        )
        return encode(
            {
                "language": wanted.language,
                "file": next(each.file for each in LANGUAGES if each.id == wanted.language),
                "text": snippet(wanted.language, start),
                "body": body_text(start),
                "errors": _faults(checked.value.errors),
            }
        )

    async def save(self, call: Call, wanted: InputBody) -> bytes:
        raw = wanted.raw
        view = await self.forms.open(call.caller, wanted.slug, wanted.version)
        value = (await self.forms.check(call.caller, view, raw)).value
        await self.forms.save_default(call.caller, wanted.slug, value)
        return encode({"input": value.input, "errors": _faults(value.errors)})

    async def forget(self, call: Call, wanted: FormRef) -> bytes:
        await self.forms.forget_default(call.caller, wanted.slug)
        return NULL


def _form(view: FormView) -> dict[str, Any]:
    form = view.form
    return {
        "worker_slug": view.worker.id,
        "version": view.version.number,
        "versions": list(view.numbers),
        "description": form.description,
        "broken": form.broken,
        "notes": list(form.notes),
        "sections": [
            {
                "caption": section.caption,
                "description": section.description,
                "fields": [_field(field) for field in section.fields],
            }
            for section in form.sections
        ],
    }


def _field(field: FormField, name: str = "") -> dict[str, Any]:
    date = field.date
    return {
        "name": field.name,
        "control": name or control(field.name),
        "title": field.title,
        "description": field.description,
        "type": field.type,
        "editor": field.editor,
        "kind": field.kind.value,
        "required": field.required,
        "has_default": field.default is not ABSENT,
        "default": None if field.default is ABSENT else field.default,
        "options": [asdict(option) for option in field.options],
        "minimum": field.minimum,
        "maximum": field.maximum,
        "unit": field.unit,
        "item_key": field.item_key,
        "format": date.shown if date else "",
        "value_format": date.sent if date else "",
        "relative": bool(date and date.relative),
        "columns": [_field(column, column.name) for column in field.columns],
        "notes": list(field.notes),
    }


def _checked(checked: Checked) -> dict[str, Any]:
    outlook = checked.outlook
    quote = outlook.quote
    return {
        "input": checked.value.input,
        "errors": _faults(checked.value.errors),
        "subtasks": outlook.plan.subtasks,
        "problem": outlook.plan.problem,
        "most_subtasks": outlook.most_subtasks,
        "estimate": {
            "priced": quote.priced,
            "hour": format_usage(quote.hour),
            "gigabyte": format_usage(quote.gigabyte),
            "most": None if quote.most is None else format_usage(quote.most),
            "missing": format_usage(quote.missing),
        },
        "plan": outlook.account_plan.value,
        "most_runs": outlook.most_runs,
        "waits": sentence(outlook.waits) if outlook.waits else "",
        "refused": sentence(outlook.refused) if outlook.refused else "",
    }


def _faults(errors: Iterable[InputError]) -> list[dict[str, Any]]:
    return [asdict(error) for error in errors]
