"""The shape of ``data`` in the answers about run forms."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fyke.api.documents import Answer


class FormOption(Answer):
    label: str
    value: Any
    token: Annotated[str, Field(description="what a control of the form sends for it")]


class FormField(Answer):
    name: str
    control: Annotated[str, Field(description="the name of its control in a form")]
    title: str
    description: str
    type: str
    editor: Annotated[str, Field(description="as the schema has it")]
    kind: Annotated[str, Field(description="the control that it is shown as")]
    required: bool
    has_default: bool
    default: Any
    options: list[FormOption]
    minimum: float | None
    maximum: float | None
    unit: str
    item_key: Annotated[str, Field(description="key of a list's items; empty: plain text")]
    format: Annotated[str, Field(description="of a date, as it is typed")]
    value_format: Annotated[str, Field(description="of a date, as it is sent")]
    relative: Annotated[bool, Field(description="whether a date may be a span such as 7 days")]
    columns: list[dict[str, Any]]
    notes: Annotated[list[str], Field(description="for the developer of the worker")]


class FormSection(Answer):
    caption: str
    description: str
    fields: list[FormField]


class FormAnswer(Answer):
    worker_slug: str
    version: str
    versions: list[str]
    description: str
    broken: Annotated[str, Field(description="why the schema has no form; empty: it has one")]
    notes: list[str]
    sections: list[FormSection]


class FormFault(Answer):
    path: Annotated[str, Field(description="`custom.NAME`, `system.NAME`, or empty for all of it")]
    message: str
    row: Annotated[int, Field(description="1-based; 0 = none")]
    column: str
    line: Annotated[int, Field(description="of the text that was sent, 1-based; 0 = unknown")]
    line_column: int


class FormEstimate(Answer):
    priced: Annotated[bool, Field(description="false: no prices are set")]
    hour: Annotated[str, Field(description="US dollars for an hour of one subtask")]
    gigabyte: Annotated[str, Field(description="US dollars for a GB of traffic")]
    most: Annotated[str | None, Field(description="US dollars at most; null: nothing bounds it")]
    missing: Annotated[str, Field(description="US dollars that the balance lacks")]


class CheckedInput(Answer):
    input: dict[str, Any]
    errors: list[FormFault]
    subtasks: Annotated[int, Field(description="0 when it cannot be started")]
    problem: Annotated[str, Field(description="why it cannot be split")]
    most_subtasks: int
    estimate: FormEstimate
    plan: str
    most_runs: Annotated[int, Field(description="0 = no limit")]
    waits: Annotated[str, Field(description="what a run would wait for now; empty: nothing")]
    refused: Annotated[
        str, Field(description="why a run would not be carried out at all; empty: it would")
    ]


class ImportedValue(Answer):
    field: str
    value: list[Any]
    header: Annotated[bool, Field(description="whether the first row was taken for titles")]
    errors: list[FormFault]


class RecentInput(Answer):
    run_slug: str
    state: str
    version: str
    summary: str
    created_at: int


class RecentInputs(Answer):
    list: list[RecentInput]


class BeginningAnswer(Answer):
    source: Annotated[str, Field(description="`run`, `task`, `saved` or `schema`")]
    ref: Annotated[str, Field(description="id of the run or task")]
    title: str
    version: str
    callback_url: str
    input: dict[str, Any]


class SavedInput(Answer):
    input: dict[str, Any]
    errors: list[FormFault]


class SnippetAnswer(Answer):
    language: str
    file: Annotated[str, Field(description="what a file of it may be called")]
    text: str
    body: Annotated[str, Field(description="the body of the request that it sends")]
    errors: list[FormFault]
