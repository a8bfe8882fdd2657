"""The controls of a form for its template: names, ids, texts, choices, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fyke.console.runform.labels import rule
from fyke.domain.forms import dates
from fyke.domain.forms.choices import token_of, value_of
from fyke.domain.forms.codec import JSON, ORIGINAL, PASTE
from fyke.domain.forms.controls import AMOUNT, KEY, ORDER, UNIT, PostedTexts, first, order_of
from fyke.domain.forms.model import (
    CHOICES,
    MULTIPLE_CHOICES,
    ControlKind,
    FormField,
    InputError,
    RunForm,
)
from fyke.domain.forms.pairs import SYSTEM, FormContent, control
from fyke.domain.forms.rows import cell_name, rows_of
from fyke.domain.forms.system import FIELDS

BLANK_ROWS = 3  # of a table that has none
SEARCHED_FROM = 13  # options; a shorter select is easier to use than a search

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
    """One field as it stands on the page. ``mode`` is its kind, or ``json`` when its value can only
    be shown so; ``name`` is that of its main control, ``id`` what labels and faults point at;
    ``extra`` has name and text of each further control by its suffix, ``cells`` the id of each cell
    by the number and the column that faults name.
    """

    field: FormField
    id: str
    name: str
    mode: str
    text: str = ""
    extra: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    choices: list[ControlChoice] = dataclasses.field(default_factory=list)
    picked: list[ControlChoice] = dataclasses.field(default_factory=list)
    rows: list[list[Control]] = dataclasses.field(default_factory=list)
    blank: list[Control] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)
    cells: dict[tuple[int, str], str] = dataclasses.field(default_factory=dict)

    @property
    def searched(self) -> bool:
        """Whether a select is long enough to be searchable."""
        return len(self.field.options) >= SEARCHED_FROM

    @property
    def chosen_words(self) -> str:
        """The labels of the checked options, in the order of choice."""
        return ", ".join(choice.label for choice in self.picked)

    @property
    def chosen_label(self) -> str:
        """What a searchable select shows: the label when it is unique."""
        for choice in self.choices:
            if choice.chosen:
                labels = [each.label for each in self.choices]
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
    """The sections with their controls as ``sent`` fills them."""
    faults = by_path(errors)
    ids = {name: f"x{number}" for number, name in enumerate(form.fields)}
    found = []
    for section in form.sections:
        controls = [
            _control(each, ids[each.name], control(each.name), sent.custom.get(each.name, {}),
                     faults.get(f"custom.{each.name}", []))
            for each in section.fields
        ]  # fmt: skip
        wrong = any(f"custom.{each.name}" in faults for each in section.fields)
        found.append(FieldGroup(section.caption, section.description, controls, wrong))
    return found


def options(sent: FormContent, errors: Iterable[InputError]) -> list[Control]:
    """The run options."""
    faults = by_path(errors)
    return [
        _control(
            each,
            f"s{number}",
            control(name, part=SYSTEM),
            sent.system.get(name, {}),
            faults.get(f"system.{name}", []),
        )
        for number, (name, each) in enumerate(FIELDS.items())
    ]


def by_path(errors: Iterable[InputError]) -> dict[str, list[InputError]]:
    found: dict[str, list[InputError]] = {}
    for error in errors:
        found.setdefault(error.path, []).append(error)
    return found


def ids_of(form: RunForm) -> dict[str, str]:
    """The id of the control that each path of an error leads to."""
    custom = {f"custom.{name}": f"x{number}" for number, name in enumerate(form.fields)}
    system = {f"system.{name}": f"s{number}" for number, name in enumerate(FIELDS)}
    return custom | system


def _control(
    field: FormField, id: str, name: str, posted: PostedTexts, errors: Iterable[InputError]
) -> Control:
    posted = {suffix: [t.replace("\r\n", "\n") for t in texts] for suffix, texts in posted.items()}
    made = Control(field, id, name, field.kind.value, text=first(posted))
    errors = list(errors)
    made.faults = [rule(error) for error in errors if not error.row]
    if JSON in posted:
        made.mode, made.text = "json", first(posted, JSON)
        made.extra[JSON] = (f"{name}:{JSON}", "")
        return made
    if ORIGINAL in posted:
        made.extra[ORIGINAL] = (f"{name}:{ORIGINAL}", first(posted, ORIGINAL))
    for suffix in _helpers(field):
        made.extra[suffix] = (f"{name}:{suffix}", first(posted, suffix))
    if field.kind is ControlKind.LIST and KEY not in posted:
        made.extra[KEY] = (f"{name}:{KEY}", field.item_key)
    if field.kind in CHOICES:
        made.choices = _choices(field, posted)
        order = {token: n for n, token in enumerate(order_of(first(posted, ORDER)))}
        chosen = [choice for choice in made.choices if choice.chosen]
        made.picked = sorted(chosen, key=lambda choice: order.get(choice.token, len(order)))
    if field.kind is ControlKind.TABLE:
        _fill_rows(made, posted, errors)
    return made


def _helpers(field: FormField) -> tuple[str, ...]:
    if field.kind in MULTIPLE_CHOICES:
        return (ORDER,)
    if field.kind is ControlKind.LIST:
        return (KEY,)
    if field.kind is ControlKind.TABLE:
        return (PASTE,)
    return (AMOUNT, UNIT) if field.date and field.date.relative else ()


def _choices(field: FormField, posted: PostedTexts) -> list[ControlChoice]:
    ticked = [text for text in posted.get("", []) if text]
    found = [
        ControlChoice(option.token, option.label, option.token in ticked)
        for option in field.options
    ]
    known = {option.token for option in field.options}
    for token in ticked:
        if token not in known:
            known.add(token)
            found.append(ControlChoice(token, _words(token), True, declared=False))
    return found


def _words(token: str) -> str:
    value = value_of(token)
    return value if isinstance(value, str) else token_of(value)


def _fill_rows(made: Control, posted: PostedTexts, errors: list[InputError]) -> None:
    field = made.field
    rows = rows_of(field, posted)
    shown = rows + [{}] * (1 if rows else BLANK_ROWS)
    number = 0  # of the rows that say something: those that errors count
    for index, cells in enumerate(shown):
        said = any(any(texts) for cell in cells.values() for texts in cell.values())
        number += said
        wrong = [error for error in errors if said and error.row == number]
        made.rows.append(_row(made, str(index), cells, wrong))
        if said:
            for cell in made.rows[-1]:
                made.cells[number, cell.field.name] = cell.id
    made.blank = _row(made, _TEMPLATE_ROW, {}, [])


def _row(
    made: Control, index: str, cells: Mapping[str, PostedTexts], errors: list[InputError]
) -> list[Control]:
    return [
        _control(
            column,
            f"{made.id}-{index}-{place}",
            f"{made.name}:{cell_name(index, column.name)}",
            cells.get(column.name, {}),
            # the error of a cell is shown below the cell
            [InputError("", error.message) for error in errors if error.column == column.name],
        )
        for place, column in enumerate(made.field.columns)
    ]


UNITS = dates.UNITS
