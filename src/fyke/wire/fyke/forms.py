"""Run forms: their fields, checks of inputs, and code samples that start a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta
from msgspec.structs import asdict

from fyke.domain.billing.pricing import format_usage
from fyke.domain.forms.model import ABSENT, ControlKind, FormSource
from fyke.domain.forms.normalise import MAX_PAIRS, FormPairs, GivenInput, JsonText, RawInput
from fyke.domain.forms.pairs import control
from fyke.errors import InvalidFields
from fyke.model.account import Plan
from fyke.model.run import RunState
from fyke.reasons import sentence
from fyke.snippets.render import IDS, LANGUAGES, Start, body_text, snippet
from fyke.wire.common import Count, Items, TimeOrNever, Ulid, Usd, known_values
from fyke.wire.fields import (
    Answer,
    Boolean,
    DocumentedAs,
    FieldError,
    ParsedBy,
    Request,
    Text,
    to_text,
)
from fyke.wire.inputs import RunInput
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.forms.importing import ImportResult
    from fyke.domain.forms.model import FormField, InputError, Section
    from fyke.domain.forms.normalise import NormalisedInput
    from fyke.domain.forms.quote import Quote
    from fyke.domain.forms.service import FormStart, FormView, InputCheck, PastInput


# --- requests ------------------------------------------------------------------------------


def to_pairs(value: object) -> list[tuple[str, str]]:
    """Name and text of each control of a form."""
    if isinstance(value, list) and all(map(_is_pair, value)):
        return [(name, text) for name, text in value]
    raise FieldError('must be a list of pairs of strings, for example [["f:max_results", "10"]]')


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)
    )


def to_long_text(value: object) -> str:
    """Text that is limited only by the size of the body."""
    if not isinstance(value, str):
        raise FieldError("must be a string")
    return value


def to_language(value: object) -> str:
    """The id of a language for snippets."""
    if value not in IDS:
        raise FieldError(f"must be one of {', '.join(IDS)}")
    return to_text(value)


_Pair = Annotated[list[str], Meta(min_length=2, max_length=2)]
Pairs = Annotated[
    list[tuple[str, str]],
    ParsedBy(to_pairs),
    DocumentedAs(Annotated[list[_Pair], Meta(examples=[[["f:max_results", "10"]]])]),
    Meta(description=f"name and text of each control, at most {MAX_PAIRS:,}"),
]


class VersionSelector(Request):
    version: Annotated[Text, Meta(description="number of the version; empty: the newest")] = ""


class FormStartQuery(VersionSelector):
    from_run: Annotated[Text, Meta(description="id of a run of this worker")] = ""
    task: Annotated[Text, Meta(description="id of a task of this worker")] = ""
    safe_input: Annotated[Boolean, Meta(description="whether secrets in `input` are hidden")] = (
        False
    )


class InputToCheck(VersionSelector):
    """The input in exactly one of three forms: `input`, `form` or `json_text`."""

    input: Annotated[Any, DocumentedAs(RunInput), Meta(description="as for a start")] = None
    form: Pairs | None = None
    json_text: (
        Annotated[str, ParsedBy(to_long_text), Meta(description="JSON text, even if invalid")]
        | None
    ) = None

    @property
    def raw(self) -> RawInput:
        """The input. Raises ``InvalidFields`` unless there is exactly one."""
        inputs: list[RawInput] = []
        if self.input is not None:
            inputs.append(GivenInput(self.input))
        if self.form is not None:
            inputs.append(FormPairs(self.form))
        if self.json_text is not None:
            inputs.append(JsonText(self.json_text))
        if len(inputs) != 1:
            raise InvalidFields("send exactly one of input, form and json_text")
        return inputs[0]


class SnippetRequest(InputToCheck):
    language: Annotated[str, ParsedBy(to_language), known_values(IDS)] = "curl"
    callback_url: Annotated[Text, Meta(description="http or https, empty = none")] = ""


class FileImport(VersionSelector):
    field: Annotated[Text, Meta(description="name of a list field; empty: the only one")] = ""
    name: Annotated[Text, Meta(description="name of the file; .csv is parsed as CSV")] = ""
    column: Annotated[Text, Meta(description="number or title of the column to import")] = ""
    sheet: Annotated[Text, Meta(description="sheet of a workbook; empty: the first")] = ""


# --- answers: the form ---------------------------------------------------------------------


class FormOption(Answer):
    label: str
    value: Any
    token: Annotated[str, Meta(description="the text that a control sends for it")]


class FormFieldItem(Answer):
    """A field of the input, or a column of a list of rows."""

    name: str
    control: Annotated[str, Meta(description="the name of its control in a form")]
    title: str
    description: str
    type: str
    editor: Annotated[str, Meta(description="as in the schema")]
    kind: Annotated[ControlKind, Meta(description="the control in the console")]
    required: bool
    has_default: bool
    default: Any
    options: list[FormOption]
    minimum: int | float | None
    maximum: int | float | None
    unit: str
    item_key: Annotated[str, Meta(description="key of a list's items; empty: plain text")]
    format: Annotated[str, Meta(description="format of a date as typed")]
    value_format: Annotated[str, Meta(description="format of a date as sent")]
    relative: Annotated[
        bool, Meta(description="whether a date may be relative, for example 7 days")
    ]
    columns: Annotated[
        list[FormFieldItem],
        Meta(description="columns of a list of rows, else empty", examples=[[]]),
    ]
    notes: Annotated[list[str], Meta(description="for the developer of the worker")]

    @classmethod
    def of(cls, field: FormField, control: str) -> FormFieldItem:
        date, no_default = field.date, field.default is ABSENT
        return cls(
            name=field.name,
            control=control,
            title=field.title,
            description=field.description,
            type=field.type,
            editor=field.editor,
            kind=field.kind,
            required=field.required,
            has_default=not no_default,
            default=None if no_default else field.default,
            options=[
                FormOption(option.label, option.value, option.token) for option in field.options
            ],
            minimum=field.minimum,
            maximum=field.maximum,
            unit=field.unit,
            item_key=field.item_key,
            format=date.shown_format if date else "",
            value_format=date.sent_format if date else "",
            relative=bool(date and date.relative),
            columns=[FormFieldItem.of(column, column.name) for column in field.columns],
            notes=list(field.notes),
        )


class FormSection(Answer):
    caption: str
    description: str
    fields: list[FormFieldItem]

    @classmethod
    def of(cls, section: Section) -> FormSection:
        fields = [FormFieldItem.of(field, control(field.name)) for field in section.fields]
        return cls(section.caption, section.description, fields)


class WorkerForm(Answer):
    worker_slug: Ulid
    version: str
    versions: Annotated[
        list[str], Meta(description="tags, then the versions that can be started, newest first")
    ]
    description: str
    broken: Annotated[str, Meta(description="why the schema has no form, or empty")]
    notes: Annotated[list[str], Meta(description="for the developer of the worker")]
    sections: list[FormSection]

    @classmethod
    def of(cls, view: FormView) -> WorkerForm:
        form = view.form
        return cls(
            worker_slug=view.worker.id,
            version=view.version.number,
            versions=list(view.numbers),
            description=form.description,
            broken=form.broken,
            notes=list(form.notes),
            sections=[FormSection.of(section) for section in form.sections],
        )


# --- answers: inputs -----------------------------------------------------------------------


class InputFault(Answer):
    path: Annotated[
        str, Meta(description="`custom.NAME`, `system.NAME`, or empty for the whole input")
    ]
    message: str
    row: Annotated[Count, Meta(description="1-based; 0 = none")]
    column: str
    line: Annotated[Count, Meta(description="line of the text that was sent, 1-based; 0 = unknown")]
    line_column: Count

    @classmethod
    def all_of(cls, faults: Iterable[InputError]) -> list[InputFault]:
        return [cls(f.path, f.message, f.row, f.column, f.line, f.line_column) for f in faults]


class StartQuote(Answer):
    priced: Annotated[bool, Meta(description="false: no prices are set")]
    hour: Annotated[Usd, Meta(description="US dollars per subtask and hour")]
    gigabyte: Annotated[Usd, Meta(description="US dollars per GB of traffic")]
    most: Annotated[Usd | None, Meta(description="US dollars at most; null: without a limit")]
    missing: Annotated[Usd, Meta(description="US dollars that the balance lacks")]
    hour_with_browser: Annotated[
        Usd, Meta(description="the same as `hour` for a subtask with a browser")
    ]
    most_with_browser: Annotated[
        Usd | None, Meta(description="the same as `most` if all subtasks always have a browser")
    ]

    @classmethod
    def of(cls, quote: Quote) -> StartQuote:
        return cls(
            priced=quote.priced,
            hour=format_usage(quote.hour),
            gigabyte=format_usage(quote.gigabyte),
            most=_amount(quote.most),
            missing=format_usage(quote.shortfall),
            hour_with_browser=format_usage(quote.hour_with_browser),
            most_with_browser=_amount(quote.most_with_browser),
        )


def _amount(micros: int | None) -> str | None:
    return None if micros is None else format_usage(micros)


class SavedInput(Answer):
    input: dict[str, Any]
    errors: list[InputFault]

    @classmethod
    def of(cls, value: NormalisedInput) -> SavedInput:
        return cls(value.input, InputFault.all_of(value.errors))


class CheckedInput(SavedInput):
    subtasks: Annotated[Count, Meta(description="0 if it cannot be started")]
    problem: Annotated[str, Meta(description="why it cannot be split")]
    most_subtasks: Count
    estimate: StartQuote
    plan: Plan
    most_runs: Annotated[Count, Meta(description="active runs that the plan allows; 0 = no limit")]
    waits: Annotated[str, Meta(description="what a run would wait for now, or empty")]
    refused: Annotated[str, Meta(description="why no run would be executed, or empty")]

    @classmethod
    def checked(cls, check: InputCheck) -> CheckedInput:
        outlook = check.outlook
        return cls(
            **asdict(SavedInput.of(check.value)),
            subtasks=outlook.plan.subtasks,
            problem=outlook.plan.problem,
            most_subtasks=outlook.most_subtasks,
            estimate=StartQuote.of(outlook.quote),
            plan=outlook.account_plan,
            most_runs=outlook.most_runs,
            waits=sentence(outlook.waits) if outlook.waits else "",
            refused=sentence(outlook.refused) if outlook.refused else "",
        )


class ImportedValue(Answer):
    field: str
    value: list[Any]
    header: Annotated[bool, Meta(description="whether the first row contains titles")]
    errors: list[InputFault]

    @classmethod
    def of(cls, field: str, result: ImportResult) -> ImportedValue:
        return cls(field, result.value, result.header, InputFault.all_of(result.errors))


class RecentInput(Answer):
    run_slug: Ulid
    state: RunState
    version: str
    summary: str
    created_at: TimeOrNever

    @classmethod
    def of(cls, past: PastInput) -> RecentInput:
        return cls(past.run_id, past.state, past.version, past.summary, seconds(past.at))


class RecentInputList(Items[RecentInput]):
    pass


class InitialInput(Answer):
    source: FormSource
    ref: Annotated[str, Meta(description="id of the run or task, or empty")]
    title: str
    version: str
    callback_url: str
    input: dict[str, Any]

    @classmethod
    def of(cls, start: FormStart) -> InitialInput:
        return cls(
            start.source,
            start.ref,
            start.title,
            start.version,
            start.callback_url,
            start.value.input,
        )


class StartSnippet(Answer):
    language: Annotated[str, known_values(IDS)]
    file: Annotated[str, Meta(description="a file name for it")]
    text: str
    body: Annotated[str, Meta(description="the body of the request that it sends")]
    errors: list[InputFault]

    @classmethod
    def of(cls, language: str, start: Start, value: NormalisedInput) -> StartSnippet:
        file = next(item.file for item in LANGUAGES if item.id == language)
        text, body = snippet(language, start), body_text(start)
        return cls(language, file, text, body, InputFault.all_of(value.errors))
