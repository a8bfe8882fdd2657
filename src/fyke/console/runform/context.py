"""All values that the template of a form uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fyke.console import formats
from fyke.console.run_options import option_title
from fyke.console.runform.controls import Control, FieldGroup, groups, ids_of, options
from fyke.console.runform.form_request import FORM_VIEW, JSON_VIEW, MORE_ROWS
from fyke.console.runform.labels import summary_error
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext
from fyke.domain.forms.codec import encode
from fyke.domain.forms.model import ABSENT, ControlKind, InputError, RunForm, pretty
from fyke.domain.forms.normalise import MAX_BEYOND_FORM, NormalisedInput
from fyke.domain.forms.pairs import FormContent, content_of
from fyke.domain.forms.rows import rows_of, too_large
from fyke.domain.workers.parameters import ParsedInput, read_input
from fyke.errors import InvalidRequest
from fyke.model.placement import labels_text
from fyke.model.worker import SystemDefaults


@dataclass(slots=True)
class FormContext:
    """``errors``: (id of the control or ``""``, sentence). ``focus``: whether the errors answer an
    action of the user and take the focus.
    """

    view: str
    groups: list[FieldGroup] = dataclasses.field(default_factory=list)
    options: list[Control] = dataclasses.field(default_factory=list)
    browser_options: list[Control] = dataclasses.field(default_factory=list)
    errors: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    rest: str = ""
    system_rest: str = ""
    json_text: str = ""
    json_wrong: bool = False
    version: str = ""
    callback_url: str = ""
    callback_fault: str = ""
    callback_entry: str = ""  # for the operator: what would allow the address
    task_title: str = ""
    task_fault: str = ""
    has_default: bool = False
    source: str = ""
    notice: str = ""
    problem: str = ""
    focus: bool = False
    focus_target: str = ""  # without errors: view, version or notice
    pristine: bool = False  # not edited yet
    options_open: bool = False
    options_line: str = ""
    asked: str = ""  # the digest of the values to start with although the form refuses them


_MAX_WARNINGS = 10


def form_context_of(
    form: RunForm,
    value: NormalisedInput,
    defaults: SystemDefaults,
    view: str = FORM_VIEW,
    *,
    sent: FormContent | None = None,
    json_text: str = "",
    errors: Iterable[InputError] = (),
) -> FormContext:
    """The form for an input. ``sent`` and ``json_text`` are shown as typed; without them the input
    is shown.
    """
    errors = list(errors)
    values = (
        _without_large_tables(form, sent, value)
        if sent
        else content_of(form, value.custom, value.system)
    )
    context = FormContext(JSON_VIEW if form.broken else view)
    context.options, context.browser_options = options(
        values, errors, form.browser_mb, has_nodes=form.has_nodes, priced=form.priced
    )
    context.system_rest = values.system_rest
    context.options_open = any(error.path.startswith("system.") for error in errors)
    context.options_line = _options_line(value.system, defaults)
    if context.view == JSON_VIEW:
        context.json_text = json_text or pretty(value.custom)
        context.json_wrong = any(not error.path.startswith("system.") for error in errors)
    else:
        context.groups = groups(form, values, errors)
        context.rest = values.custom_rest
    cells = {c.field.name: c.cells for group in context.groups for c in group.controls}
    context.errors = [_with_target(form, context.view, error, cells) for error in errors]
    return context


def _without_large_tables(form: RunForm, sent: FormContent, value: NormalisedInput) -> FormContent:
    """The typed input, with each table that is too large to draw replaced by its value as JSON."""
    for name, posted in sent.custom.items():
        field = form.fields.get(name)
        if (
            field
            and field.kind is ControlKind.TABLE
            and too_large(field, len(rows_of(field, posted)) - MORE_ROWS)
        ):
            sent.custom[name] = encode(field, value.custom.get(name, ABSENT))
    return sent


def _with_target(
    form: RunForm, view: str, error: InputError, cells: dict[str, dict[tuple[int, str], str]]
) -> tuple[str, str]:
    """The id of the control that the error belongs to, and the sentence of the error."""
    if view == JSON_VIEW and not error.path.startswith("system."):
        # an error about the whole text already names the line
        place = _("Line %(line)s: ") % {"line": error.line} if error.line and error.path else ""
        return "json", place + error.message
    name = error.path.removeprefix("custom.")
    target = cells.get(name, {}).get((error.row, error.column), "")
    return target or ids_of(form).get(error.path, ""), _sentence(form, error)


def _sentence(form: RunForm, error: InputError) -> str:
    """The sentence of an error, with the titles of its field and column."""
    name = error.path.removeprefix("custom.")
    field = form.fields.get(name) if error.path.startswith("custom.") else None
    option = error.path.removeprefix("system.") if error.path.startswith("system.") else ""
    title = field.title if field else option_title(option)
    columns = {c.name: c.title for c in field.columns} if field else {}
    return summary_error(error, title, columns.get(error.column, error.column))


def warnings_of(form: RunForm, errors: Sequence[InputError]) -> list[str]:
    """The first rules of the form that an input breaks, and the number of others."""
    shown = [_sentence(form, error) for error in errors[:_MAX_WARNINGS]]
    more = len(errors) - len(shown)
    if len(errors) == MAX_BEYOND_FORM:  # the check stopped there
        shown.append(_("at least %(num)s more") % {"num": formats.count(more)})
    elif more > 0:
        shown.append(ngettext("%(num)s more", "%(num)s more", more) % {"num": formats.count(more)})
    return shown


def _options_line(system: dict[str, Any], defaults: SystemDefaults) -> str:
    """The run options in one line, shown while they are collapsed."""
    try:
        parsed = read_input({"parameters": {"system": system, "custom": {}}}, defaults)
    except InvalidRequest:
        return _("this value is not valid")
    return " · ".join(_option_texts(parsed))


def _option_texts(parsed: ParsedInput) -> Iterable[str]:
    limits = parsed.limits
    yield _("%(size)s MB") % {"size": limits.memory_mb}
    yield formats.duration(limits.timeout_s * 1000)
    if limits.max_charge_micros:
        yield _("at most %(price)s") % {"price": formats.money(limits.max_charge_micros)}
    if limits.max_traffic_bytes:
        yield _("at most %(size)s") % {"size": formats.size(limits.max_traffic_bytes)}
    if limits.max_retries:
        count = limits.max_retries
        yield ngettext("%(num)s retry", "%(num)s retries", count) % {"num": count}
    if limits.browser_memory_mb:
        yield _("browser %(size)s MB") % {"size": limits.browser_memory_mb}
    if parsed.browser.headful:
        yield _("browser with windows")
    elif parsed.browser.mode:
        yield _("browser without windows")
    if parsed.browser.asked:
        yield parsed.browser.asked.value
    yield parsed.region or _("any region")
    if parsed.pool:
        yield _("pool %(pool)s") % {"pool": parsed.pool}
    if parsed.labels:
        yield labels_text(parsed.labels)
