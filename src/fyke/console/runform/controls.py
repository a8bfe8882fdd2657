"""The controls of a form for its template: names, ids, texts, choices, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fyke.console.run_options import empty_choice, shown_option
from fyke.console.runform.labels import default_label, field_error, unset_label
from fyke.console.texts import gettext as _
from fyke.domain.forms.choices import token_of, value_of
from fyke.domain.forms.codec import JSON, ORIGINAL, PASTE, decode
from fyke.domain.forms.controls import AMOUNT, KEY, ORDER, UNIT, PostedTexts, first, order_of
from fyke.domain.forms.model import (
    ABSENT,
    CHOICES,
    MULTIPLE_CHOICES,
    ControlKind,
    FormField,
    InputError,
    RunForm,
)
from fyke.domain.forms.pairs import SYSTEM, FormContent, control
from fyke.domain.forms.rows import cell_name, rows_of
from fyke.domain.forms.system import BROWSER_FIELDS, FIELDS, NODE_FIELDS

BLANK_ROWS = 3  # of an empty table
SEARCHABLE_FROM = 13  # options; a shorter select is easier to use than a search

_TEMPLATE_ROW = "__row__"  # stands for the number of a row that is added in the browser


@dataclass(frozen=True, slots=True)
class ControlChoice:
    """One option of a control."""

    token: str
    label: str
    chosen: bool
    declared: bool = True


@dataclass(slots=True)
class Control:
    """One field on the page. ``mode`` is its kind, or ``json`` for a value that its control cannot
    show; ``name`` and ``id`` are those of its main control; ``extra``: suffix to (name, text) of
    each further control; ``cells``: (row number, column), as errors name them, to the id of the
    cell; ``unset``: what an empty control sends, where it is not an empty value; of a blank cell,
    the default of its column.
    """

    field: FormField
    id: str
    name: str
    mode: str
    text: str = ""
    extra: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    choices: list[ControlChoice] = dataclasses.field(default_factory=list)
    selected: list[ControlChoice] = dataclasses.field(default_factory=list)
    rows: list[list[Control]] = dataclasses.field(default_factory=list)
    blank: list[Control] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)
    cells: dict[tuple[int, str], str] = dataclasses.field(default_factory=dict)
    empty: str = ""  # the label of the choice of none
    unset: str = ""

    @property
    def searchable(self) -> bool:
        """Whether a select is long enough to be searchable."""
        return len(self.field.options) >= SEARCHABLE_FROM

    @property
    def chosen_labels(self) -> str:
        """The labels of the checked options, in the order of choice."""
        return ", ".join(choice.label for choice in self.selected)

    @property
    def chosen_label(self) -> str:
        """The text of a searchable select: the label, or the token when the label is not unique."""
        for choice in self.choices:
            if choice.chosen:
                labels = [item.label for item in self.choices]
                return choice.label if labels.count(choice.label) == 1 else choice.token
        return self.text


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """A section of the form; ``open`` when it contains an error."""

    caption: str
    description: str
    controls: list[Control]
    open: bool


Faults = Mapping[str, list[InputError]]


def groups(form: RunForm, sent: FormContent, errors: Iterable[InputError]) -> list[FieldGroup]:
    """The sections with their controls, filled with ``sent``."""
    faults = _by_path(errors)
    ids = {name: f"x{number}" for number, name in enumerate(form.fields)}
    result = []
    for section in form.sections:
        controls = [
            _control(field, ids[field.name], control(field.name), sent.custom.get(field.name, {}),
                     faults.get(f"custom.{field.name}", []))
            for field in section.fields
        ]  # fmt: skip
        has_fault = any(f"custom.{field.name}" in faults for field in section.fields)
        result.append(FieldGroup(section.caption, section.description, controls, has_fault))
    return result


def options(
    sent: FormContent,
    errors: Iterable[InputError],
    browser_mb: int,
    *,
    has_nodes: bool = False,
    priced: bool = True,
) -> tuple[list[Control], list[Control]]:
    """The run options, and those of browsers: where runs have none (``browser_mb`` is 0), only the
    options with a value or an error; the same for those of nodes, and for
    the cost where runs are free.
    """
    faults = _by_path(errors)
    shown: tuple[list[Control], list[Control]] = ([], [])
    for number, name in enumerate(FIELDS):
        posted, wrong = sent.system.get(name, {}), faults.get(f"system.{name}", [])
        of_browser = name in BROWSER_FIELDS
        empty = not wrong and decode(FIELDS[name], posted).value in (ABSENT, [])
        is_useless = (
            (of_browser and not browser_mb)
            or (name in NODE_FIELDS and not has_nodes)
            or (name == "max_total_charge" and not priced)
        )
        if is_useless and empty:
            continue
        item = shown_option(name, browser_mb)
        control_of = _control(item, f"s{number}", control(name, part=SYSTEM), posted, wrong)
        control_of.empty = empty_choice(name)
        shown[of_browser].append(control_of)
    return shown


def _by_path(errors: Iterable[InputError]) -> dict[str, list[InputError]]:
    by_path: dict[str, list[InputError]] = {}
    for error in errors:
        by_path.setdefault(error.path, []).append(error)
    return by_path


def ids_of(form: RunForm) -> dict[str, str]:
    """Path of an error to the id of its control."""
    custom = {f"custom.{name}": f"x{number}" for number, name in enumerate(form.fields)}
    system = {f"system.{name}": f"s{number}" for number, name in enumerate(FIELDS)}
    return custom | system


def _control(
    field: FormField, id: str, name: str, posted: PostedTexts, errors: Iterable[InputError]
) -> Control:
    posted = {suffix: [t.replace("\r\n", "\n") for t in texts] for suffix, texts in posted.items()}
    result = Control(field, id, name, field.kind.value, text=first(posted))
    errors = list(errors)
    result.faults = [field_error(error) for error in errors if not error.row]
    if JSON in posted:
        result.mode, result.text = "json", first(posted, JSON)
        result.extra[JSON] = (f"{name}:{JSON}", "")
        return result
    if ORIGINAL in posted:
        result.extra[ORIGINAL] = (f"{name}:{ORIGINAL}", first(posted, ORIGINAL))
    for suffix in _extra_suffixes(field):
        result.extra[suffix] = (f"{name}:{suffix}", first(posted, suffix))
    if field.kind is ControlKind.LIST and KEY not in posted:
        result.extra[KEY] = (f"{name}:{KEY}", field.item_key)
    if field.kind in CHOICES:
        result.choices = _choices(field, posted)
        order = {token: n for n, token in enumerate(order_of(first(posted, ORDER)))}
        chosen = [choice for choice in result.choices if choice.chosen]
        result.selected = sorted(chosen, key=lambda choice: order.get(choice.token, len(order)))
    if field.kind is ControlKind.TABLE:
        _fill_rows(result, posted, errors)
    _show_unset(result, posted)
    return result


def _show_unset(made: Control, posted: PostedTexts) -> None:
    """Make visible that the control sends no value, or null, and the default of the schema.

    The platform does not fill in defaults: the Worker decides about a value that is not set, so
    neither an empty control nor a switch that is off may stand for it.
    """
    field = made.field
    if field.kind is ControlKind.SWITCH and ORIGINAL in posted:  # on and off are sent without it
        made.mode, made.empty = "select", unset_label(field, first(posted, ORIGINAL))
        made.choices = [
            ControlChoice("true", _("on"), made.text == "true"),
            ControlChoice("false", _("off"), made.text == "false"),
        ]
        return
    value = decode(field, posted).value
    if made.text or value not in (ABSENT, None):
        return
    default = "" if field.required else default_label(field)
    hint = _("If left empty, it is not set. Default: %(value)s") % {"value": default}
    if value is None:
        label = hint = unset_label(field, "null")
    elif default:
        label = unset_label(field)
    else:
        return
    if field.kind in (ControlKind.SELECT, ControlKind.RADIO) and not made.searchable:
        made.empty = label
    else:
        made.unset = hint


def _extra_suffixes(field: FormField) -> tuple[str, ...]:
    if field.kind in MULTIPLE_CHOICES:
        return (ORDER,)
    if field.kind is ControlKind.LIST:
        return (KEY,)
    if field.kind is ControlKind.TABLE:
        return (PASTE,)
    return (AMOUNT, UNIT) if field.date and field.date.relative else ()


def _choices(field: FormField, posted: PostedTexts) -> list[ControlChoice]:
    checked = dict.fromkeys(text for text in posted.get("", []) if text)
    choices = [
        ControlChoice(option.token, option.label, option.token in checked)
        for option in field.options
    ]
    known = {option.token for option in field.options}
    for token in checked:
        if token not in known:
            known.add(token)
            choices.append(ControlChoice(token, _token_label(token), True, declared=False))
    return choices


def _token_label(token: str) -> str:
    value = value_of(token)
    return value if isinstance(value, str) else token_of(value)


def _fill_rows(table: Control, posted: PostedTexts, errors: list[InputError]) -> None:
    field = table.field
    rows = rows_of(field, posted)
    blank_rows = BLANK_ROWS
    if rows:  # a form that is shown again has the empty row of its last page already
        blank_rows = int(_is_filled(rows[-1]))
    shown = rows + [{}] * blank_rows
    number = 0  # of a row, without empty rows; errors name rows by it
    for index, cells in enumerate(shown):
        filled = _is_filled(cells)
        number += filled
        row_errors = [error for error in errors if filled and error.row == number]
        table.rows.append(_row(table, str(index), cells, row_errors))
        if filled:
            for cell in table.rows[-1]:
                table.cells[number, cell.field.name] = cell.id
    table.blank = _row(table, _TEMPLATE_ROW, {}, [])


def _is_filled(cells: Mapping[str, PostedTexts]) -> bool:
    """Whether a row says anything. The unit of a span is sent even without an amount."""
    return any(
        any(texts) for cell in cells.values() for suffix, texts in cell.items() if suffix != UNIT
    )


def _row(
    table: Control, index: str, cells: Mapping[str, PostedTexts], errors: list[InputError]
) -> list[Control]:
    row = [
        _control(
            column,
            f"{table.id}-{index}-{position}",
            f"{table.name}:{cell_name(index, column.name)}",
            cells.get(column.name, {}),
            # the error of a cell is shown below the cell
            [InputError("", error.message) for error in errors if error.column == column.name],
        )
        for position, column in enumerate(table.field.columns)
    ]
    if not _is_filled(cells):
        for cell in row:
            cell.empty, cell.unset = "", default_label(cell.field)
    return row
