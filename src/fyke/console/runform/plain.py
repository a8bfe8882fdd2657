"""An input form that belongs to another page: of a task, a trial run, a sample run.

The same controls and views as on the page of a worker, without its options and its rail. Every
button sends the whole form to one address and says in ``do`` what it is for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from fyke.console.forms import PostedForm as SentForm
from fyke.console.runform import form_request
from fyke.console.runform.context import FormContext, form_context_of
from fyke.console.runform.form_request import FORM_VIEW, JSON_VIEW, FormRequest
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext
from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, import_file
from fyke.domain.forms.model import InputError, RunForm
from fyke.domain.forms.normalise import GivenInput, NormalisedInput, normalise, start_value
from fyke.domain.forms.pairs import group_by_field
from fyke.errors import InvalidRequest
from fyke.model.worker import SystemDefaults

ACTS = frozenset({FORM_VIEW, JSON_VIEW, "rows", "import"})


@dataclass(frozen=True, slots=True)
class Base:
    """The target of the buttons of the controls, as the editors expect it of a page's frame."""

    base: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class InputForm:
    """A form at one moment, for ``parts/input_form.html``."""

    frame: Base
    form: RunForm
    value: NormalisedInput
    work: FormContext = field(repr=False)

    @property
    def input(self) -> dict[str, object]:
        """The whole ``input`` object, as a start or a task takes it."""
        return self.value.input

    @property
    def faulty(self) -> bool:
        return bool(self.value.errors)


def begin(
    schema: str, address: str, given: object = None, *, json_view: bool = False, own: bool = False
) -> InputForm:
    """The form with a given input, or with the defaults of the schema."""
    form = describe(schema)
    raw = GivenInput(given if given is not None else start_value(form))
    value = normalise(form, raw, SystemDefaults())
    errors = () if given is None else value.errors
    view = JSON_VIEW if json_view else FORM_VIEW
    work = form_context_of(form, value, SystemDefaults(), view, errors=errors)
    return InputForm(Base(address, own), form, value, work)


async def sent(schema: str, address: str, pairs: SentForm) -> tuple[InputForm, bool]:
    """The submitted form, and whether it was only sent for another view."""
    form, request = describe(schema), form_request.read(pairs)
    value = normalise(form, request.raw, SystemDefaults())
    if request.act == "import":
        work = await _imported(form, request, value, pairs)
        return InputForm(Base(address), form, value, work), True
    if request.act == "rows" and not request.pasted:
        field = form.fields.get(request.subject)
        request = request.with_rows(field) if field else request
        return InputForm(Base(address), form, value, _as_typed(form, request, value)), True
    unreadable = not value.custom and any(not error.path for error in value.errors)
    if request.act in ACTS and not unreadable:
        work = form_context_of(form, value, SystemDefaults(), request.view, errors=value.errors)
        return InputForm(Base(address), form, value, work), True
    work = _as_typed(form, request, value)
    work.focus = bool(value.errors)
    return InputForm(Base(address), form, value, work), request.act in ACTS


def _as_typed(
    form: RunForm, request: FormRequest, value: NormalisedInput, more: tuple[InputError, ...] = ()
) -> FormContext:
    return form_context_of(
        form,
        value,
        SystemDefaults(),
        request.was_view,
        sent=group_by_field(request.pairs) if request.was_view == FORM_VIEW else None,
        json_text=request.json_text.replace("\r\n", "\n"),
        errors=(*more, *value.errors),
    )


async def _imported(
    form: RunForm, request: FormRequest, value: NormalisedInput, pairs: SentForm
) -> FormContext:
    """The form with the entries of a file added to a list."""
    names = list(form.fields)
    place = f"x{names.index(request.subject)}" if request.subject in names else ""
    upload = pairs.files.get(f"file:{place}")
    if upload is None or not upload.filename:
        return _refused(form, request, value, _("Choose a file."))
    data, choice = await upload.read(), ImportChoice(column=pairs.get(f"column:{place}"))
    try:
        field = form.fields[request.subject]
        found = await asyncio.to_thread(import_file, field, upload.filename, data, choice)
    except InvalidRequest as error:
        return _refused(form, request, value, error.message)
    before = value.custom.get(request.subject)
    listed = [*(before if isinstance(before, list) else []), *found.value]
    more = replace(value, custom={**value.custom, request.subject: listed})
    again = normalise(form, GivenInput(more.input), SystemDefaults())
    work = form_context_of(
        form, again, SystemDefaults(), FORM_VIEW, errors=(*found.errors, *again.errors)
    )
    count = len(found.value)
    work.notice = ngettext("%(num)s entry was added.", "%(num)s entries were added.", count) % {
        "num": count
    }
    return work


def _refused(
    form: RunForm, request: FormRequest, value: NormalisedInput, fault: str
) -> FormContext:
    work = _as_typed(form, request, value, (InputError(f"custom.{request.subject}", fault),))
    work.focus = True
    return work
