"""The input form inside other pages: of a task, a test run or a sample run.

It has the controls and views of a Worker's page, without its options and side column. Every button
submits the whole form to one address; the field ``do`` names the action.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fyke.console.forms import PostedForm
from fyke.console.runform import form_request
from fyke.console.runform.context import FormContext, form_context_of
from fyke.console.runform.form_request import FORM_VIEW, JSON_VIEW, FormRequest
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext
from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, ImportResult
from fyke.domain.forms.model import FormField, InputError, RunForm
from fyke.domain.forms.normalise import GivenInput, NormalisedInput, normalise, start_value
from fyke.domain.forms.pairs import group_by_field
from fyke.errors import InvalidRequest
from fyke.model.worker import SystemDefaults

FileReader = Callable[[FormField, str, bytes, ImportChoice], Awaitable[ImportResult]]

NO_VERSION = "there is no version"  # ``RunForm.broken`` of a form without a schema
VIEW_BUTTONS = frozenset({FORM_VIEW, JSON_VIEW, "rows", "import"})


@dataclass(frozen=True, slots=True)
class FormTarget:
    """The values that the templates of the controls read from a page's frame: the address that
    buttons submit to, and whether the visitor owns the Worker.
    """

    base: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class InputForm:
    """The values of ``parts/input_form.html``."""

    frame: FormTarget
    form: RunForm
    value: NormalisedInput
    context: FormContext = field(repr=False)

    @property
    def input(self) -> dict[str, object]:
        """The whole ``input`` object, as a start or a task takes it."""
        return self.value.input

    @property
    def without_schema(self) -> bool:
        """Whether there is no version, and so no form."""
        return self.form.broken == NO_VERSION

    @property
    def faulty(self) -> bool:
        return bool(self.value.errors)


def _described(schema: str, **options: Any) -> RunForm:
    form = replace(describe(schema), **options)
    return form if schema else replace(form, broken=NO_VERSION)


def initial_form(
    schema: str,
    address: str,
    saved_input: object = None,
    *,
    browser_mb: int,
    has_nodes: bool = False,
    priced: bool = True,
    json_view: bool = False,
    own: bool = False,
    option_errors: tuple[InputError, ...] = (),
) -> InputForm:
    """The form with a saved input, or with the defaults of the schema. ``browser_mb``,
    ``has_nodes`` and ``priced`` are those of ``RunForm``, here and below. ``option_errors``: of run
    options, beside those that the form finds itself.
    """
    form = _described(schema, browser_mb=browser_mb, has_nodes=has_nodes, priced=priced)
    raw = GivenInput(saved_input if saved_input is not None else start_value(form))
    value = normalise(form, raw, SystemDefaults())
    errors = () if saved_input is None else value.errors
    found = {error.path for error in errors}
    errors = (*errors, *(error for error in option_errors if error.path not in found))
    view = JSON_VIEW if json_view else FORM_VIEW
    context = form_context_of(form, value, SystemDefaults(), view, errors=errors)
    return InputForm(FormTarget(address, own), form, value, context)


async def read_submitted(
    schema: str,
    address: str,
    pairs: PostedForm,
    read_file: FileReader,
    *,
    browser_mb: int,
    has_nodes: bool = False,
    priced: bool = True,
) -> tuple[InputForm, bool]:
    """The submitted form, and whether the button only changes what the form shows. ``read_file``
    reads a file as the value of a list.
    """
    form = _described(schema, browser_mb=browser_mb, has_nodes=has_nodes, priced=priced)
    request = form_request.read(pairs)
    value = await asyncio.to_thread(normalise, form, request.raw, SystemDefaults())
    if request.button == "import":
        context = await _imported(form, request, value, pairs, read_file)
        return InputForm(FormTarget(address), form, value, context), True
    if request.button == "rows" and not request.pasted:
        field = form.fields.get(request.subject)
        request = request.with_rows(field) if field else request
        return InputForm(FormTarget(address), form, value, _as_typed(form, request, value)), True
    unreadable = not value.custom and any(not error.path for error in value.errors)
    if request.button in VIEW_BUTTONS and not unreadable:
        context = form_context_of(form, value, SystemDefaults(), request.view, errors=value.errors)
        return InputForm(FormTarget(address), form, value, context), True
    context = _as_typed(form, request, value)
    context.focus = bool(value.errors)
    return InputForm(FormTarget(address), form, value, context), request.button in VIEW_BUTTONS


def _as_typed(
    form: RunForm,
    request: FormRequest,
    value: NormalisedInput,
    further_errors: tuple[InputError, ...] = (),
) -> FormContext:
    return form_context_of(
        form,
        value,
        SystemDefaults(),
        request.sent_view,
        sent=group_by_field(request.pairs) if request.sent_view == FORM_VIEW else None,
        json_text=request.json_text.replace("\r\n", "\n"),
        errors=(*further_errors, *value.errors),
    )


async def _imported(
    form: RunForm,
    request: FormRequest,
    value: NormalisedInput,
    pairs: PostedForm,
    read_file: FileReader,
) -> FormContext:
    """The form with the entries of a file added to a list."""
    names = list(form.fields)
    control_id = f"x{names.index(request.subject)}" if request.subject in names else ""
    upload = pairs.files.get(f"file:{control_id}")
    if upload is None or not upload.filename:
        return _refused(form, request, value, _("Choose a file."))
    data, choice = await upload.read(), ImportChoice(column=pairs.get(f"column:{control_id}"))
    try:
        field = form.fields[request.subject]
        imported = await read_file(field, upload.filename, data, choice)
    except InvalidRequest as error:
        return _refused(form, request, value, error.message)
    previous = value.custom.get(request.subject)
    listed = [*(previous if isinstance(previous, list) else []), *imported.value]
    extended = replace(value, custom={**value.custom, request.subject: listed})
    renormalised = normalise(form, GivenInput(extended.input), SystemDefaults())
    context = form_context_of(
        form,
        renormalised,
        SystemDefaults(),
        FORM_VIEW,
        errors=(*imported.errors, *renormalised.errors),
    )
    count = len(imported.value)
    context.notice = ngettext("%(num)s entry was added.", "%(num)s entries were added.", count) % {
        "num": count
    }
    return context


def _refused(
    form: RunForm, request: FormRequest, value: NormalisedInput, fault: str
) -> FormContext:
    context = _as_typed(form, request, value, (InputError(f"custom.{request.subject}", fault),))
    context.focus = True
    return context
