"""The model of a form: fields, controls, options and errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any, Final, Literal

from fyke.domain.forms.dates import DateRule
from fyke.domain.workers.input_schema import InputSchema
from fyke.errors import Problem


class Absent(Enum):
    """The value of a field that is missing from the input, as opposed to null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT

FormSource = Literal["run", "task", "saved", "schema"]  # the source of the initial input


class ControlKind(StrEnum):
    """The kind of control for a field."""

    LINE = "line"
    TEXT = "text"
    NUMBER = "number"
    SELECT = "select"
    MULTISELECT = "multiselect"
    RADIO = "radio"
    CHECKBOXES = "checkboxes"
    SWITCH = "switch"
    DATE = "date"
    LIST = "list"
    TABLE = "table"
    JSON = "json"


MULTIPLE_CHOICES = frozenset({ControlKind.MULTISELECT, ControlKind.CHECKBOXES})
CHOICES = frozenset({ControlKind.SELECT, ControlKind.RADIO}) | MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class Option:
    """One choice. A control submits ``token``; ``value`` has its type from the schema."""

    label: str
    value: Any
    token: str


class FieldOptions(tuple[Option, ...]):
    """The choices of a field. Its lookup tables are computed once, not for each row."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """The value of each text that a client may send: the token, the value as text, or the
        label, in this precedence.
        """
        values: dict[str, Any] = {option.token: option.value for option in self}
        for option in self:
            text = option.value if isinstance(option.value, str) else dump(option.value)
            values.setdefault(text, option.value)
        for option in self:
            values.setdefault(option.label, option.value)
        return values

    @cached_property
    def ranks(self) -> dict[str, int]:
        """The position of each token."""
        return {option.token: number for number, option in enumerate(self)}


@dataclass(frozen=True, slots=True)
class FormField:
    """One property, or one column of a list of rows, prepared for display.

    ``item_key`` is the key of the items of a list of one-key objects, ``""`` for plain text.
    ``notes`` inform the Worker's developer of parts of the schema that the form cannot represent.
    """

    name: str
    title: str
    description: str
    type: str
    editor: str
    kind: ControlKind
    required: bool = False
    default: Any = ABSENT
    options: FieldOptions = field(default_factory=FieldOptions)
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    date: DateRule | None = None
    columns: tuple[FormField, ...] = ()
    item_key: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Fields under one caption, which is ``""`` for the fields before the first caption."""

    caption: str
    description: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class RunForm:
    """A schema as a form. ``broken`` is the reason why it has no fields and only accepts JSON.

    ``browser_mb``: the memory of the browser that a run of the version gets without asking for
    another size, 0 where its runs have no browser, and so no options of one.
    ``has_nodes``: runs may choose between machines. ``priced``: they cost money.
    """

    description: str
    sections: tuple[Section, ...]
    schema: InputSchema
    broken: str = ""
    notes: tuple[str, ...] = ()
    fields: dict[str, FormField] = field(default_factory=dict)
    browser_mb: int = 0
    has_nodes: bool = False
    priced: bool = True


@dataclass(frozen=True, slots=True)
class InputError:
    """One problem: its position, and the rule with the remedy, worded to follow the subject.

    ``path`` is ``custom.NAME``, ``system.NAME`` or ``""`` for the input as a whole. ``row`` is
    1-based, 0 = none; ``column`` and ``title`` name a cell of the row. ``line`` and
    ``line_column`` are the position in a JSON text or a file, 1-based, 0 = unknown. ``subject``
    names the field to clients without a form. ``missing``: a required field without a value.
    """

    path: str
    rule: str
    row: int = 0
    column: str = ""
    line: int = 0
    line_column: int = 0
    subject: str = ""
    title: str = ""
    missing: bool = False

    @property
    def message(self) -> str:
        """The sentence, with the subject and the cell."""
        cell = ""
        if self.row:
            cell = f", line {self.line}" if self.line else f", row {self.row}"
            cell += f', "{self.title}"'
        return Problem(self.rule, self.subject + cell).sentence


def named_field(name: str) -> str:
    """The subject of an error about a field of the form."""
    return f'field "{name}"'


def dump(value: Any) -> str:
    """Return compact JSON that keeps every character and digit."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def pretty(value: Any) -> str:
    """Return readable JSON: indented, without escapes for non-ASCII characters."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def same(first: Any, second: Any) -> bool:
    """Whether two values are the same JSON: 1, 1.0 and true all differ."""
    if first is ABSENT or second is ABSENT:
        return first is second
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
